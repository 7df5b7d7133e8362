package sound

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
)

// A key that may change a sound is heeded by the front end that has it, and refused by its name
// elsewhere.
func TestConfigKeys(t *testing.T) {
	for spec, want := range map[string]string{
		`{"sampling_rate":16000,"feature_extractor_type":"WhisperFeatureExtractor","processor_class":"WhisperProcessor","n_samples":480000,"nb_max_frames":3000,"mel_filters":[[0.1]],"return_attention_mask":false,"padding_side":"right","padding_value":0.0,"dither":0.0,"feature_size":80,"n_fft":400,"hop_length":160,"chunk_length":30}`: "",
		`{"sampling_rate":16000,"feature_extractor_type":"Wav2Vec2FeatureExtractor","feature_size":1,"do_normalize":true,"return_attention_mask":true}`:                                                                                                                                                                                        "",
		`{"sampling_rate":16000,"feature_extractor_type":"ASTFeatureExtractor","feature_size":1,"num_mel_bins":64,"max_length":128,"do_normalize":true,"mean":-4,"std":4}`:                                                                                                                                                                     "",
		`{"feature_extractor":{"sampling_rate":16000,"feature_extractor_type":"Wav2Vec2FeatureExtractor"}}`:                                                                                                                                                                                                                                    "",
		`{"sampling_rate":16000,"feature_extractor_type":"WhisperFeatureExtractor","do_normalize":true}`:                                                                                                                                                                                                                                       "do_normalize: true",
		`{"sampling_rate":16000,"feature_extractor_type":"Wav2Vec2FeatureExtractor","num_mel_bins":80}`:                                                                                                                                                                                                                                        "num_mel_bins: 80",
		`{"sampling_rate":16000,"feature_extractor_type":"Wav2Vec2FeatureExtractor","feature_size":80}`:                                                                                                                                                                                                                                        "feature_size: 80",
		`{"sampling_rate":16000,"preemphasis":0.97}`:                        "preemphasis: 0.97",
		`{"sampling_rate":16000,"frontend":"mel.onnx","do_normalize":true}`: "do_normalize: true",
		`{"sampling_rate":16000,"padding_value":-1}`:                        "padding_value",
	} {
		if _, err := Parse([]byte(spec)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
}

// Files that say what is not so: the data chunk counts more than there is, a chunk of odd length
// lacks its pad byte.
func TestOddWAV(t *testing.T) {
	pcm := encode([]int16{0, 16384, -32768, 32767})
	unpadded := func() []byte {
		b := riff("RIFF", 0, format(wavPCM, 1, 8000, 16), chunk{"junk", []byte{1, 2, 3, 4, 5}, -1}, data(pcm...))
		at := bytes.Index(b, []byte{4, 5, 0}) + 2
		return append(b[:at:at], b[at+1:]...)
	}
	long := func(by int64, form int) []byte {
		b := riff("RIFF", 0, format(wavPCM, 1, 8000, 16), chunk{"data", pcm, int64(len(pcm)) + by})
		b[4] = byte(len(b) - 8 + form)
		return b
	}
	for name, file := range map[string][]byte{
		"a whole file whose data say 16 more":  long(16, 0),
		"a whole file whose data say 500 more": long(500, 0),
		"data and form say 16 more":            long(16, 16),
		"odd chunk without a pad byte":         unpadded(),
	} {
		c, err := Decode(bytes.NewReader(file), 0)
		if err != nil || len(c.Samples) != 4 || c.Samples[1] != 0.5 || c.Samples[2] != -1 {
			t.Errorf("%s: %v (%v)", name, c, err)
		}
	}
	mp3 := append([]byte("ID3\x03\x00\x00\x00\x00\x00\x04abcd"), 0xff, 0xfb, 0x90, 0, 0, 0)
	for want, file := range map[string][]byte{
		"cut off":            long(500, 100),
		"looks like MP3":     mp3,
		"looks like Ogg":     []byte("OggS\x00\x02aaaaaaaaaaa"),
		"sample 1 is 1e+29":  riff("RIFF", 0, format(wavFloat, 1, 8000, 32), data(encode([]float32{0, 1e29, 0})...)),
		"is not a number":    riff("RIFF", 0, format(wavFloat, 1, 8000, 32), data(encode([]float32{0, float32(math.Inf(1))})...)),
		"format 0x0011 with": riff("RIFF", 0, format(0x11, 1, 8000, 4), data(0, 0)),
	} {
		if _, err := Decode(bytes.NewReader(file), 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestKeysListed: the keys that are listed are those that a preprocessor file is read into.
func TestKeysListed(t *testing.T) {
	listed := map[string]bool{}
	for _, k := range Keys {
		listed[k.Name] = true
	}
	for _, f := range FrontEnds {
		for _, k := range f.Keys {
			listed[k.Name] = true
		}
	}
	for f := range reflect.TypeFor[Config]().Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !listed[key] {
			t.Errorf("%s is read and not listed", key)
		}
		delete(listed, key)
	}
	for key := range listed {
		t.Errorf("%s is listed and not read", key)
	}
	for _, s := range AugmentSteps {
		name, _, _ := strings.Cut(s.Name, ":")
		if _, err := ParseAugment(name + ":x"); err == nil || strings.Contains(err.Error(), "unknown step") {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}
