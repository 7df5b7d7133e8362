package sound

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/spec"
)

// FrontEnd is a kind of front end and the keys of a preprocessor file that it heeds.
type FrontEnd struct {
	Type string // feature_extractor_type; "" for a model as front end, which has none
	What string
	Keys []spec.Entry
}

// Keys are the keys of a preprocessor file that every front end heeds.
var Keys = []spec.Entry{
	{Name: "sampling_rate", Meaning: "in Hz, needed; sounds of another rate are resampled"},
	{Name: "feature_extractor_type", Meaning: "the front end, one of those below; default: by the keys that are there, else the samples themselves"},
	{Name: "max_seconds", Meaning: "longest sound that is taken, 0.1 to 86400; default: 600"},
	{Name: "padding_side", Meaning: "only right"},
	{Name: "padding_value", Meaning: "only 0"},
	{Name: "dither", Meaning: "only 0"},
}

var (
	windowKeys = []spec.Entry{
		{Name: "window", Meaning: "frames of a model as front end, or samples, that are one row; default: what the model takes, or the whole sound"},
		{Name: "hop", Meaning: "from one window to the next; default: window"},
	}
	padSeconds = spec.Entry{Name: "pad_seconds", Meaning: "silence before and after the sound, two numbers from 0 to 60"}
)

// FrontEnds are the kinds of front ends.
var FrontEnds = []FrontEnd{
	{"", "a model as front end", append([]spec.Entry{
		{Name: "frontend", Meaning: "an ONNX file beside this one, from samples to frames of features"},
		{Name: "sample_scale", Meaning: "factor on the samples, which are -1 to 1; default: 1"},
		{Name: "feature_scale", Meaning: "factor on the model's values; default: 1"},
		{Name: "feature_shift", Meaning: "added after it; default: 0"},
		padSeconds,
	}, windowKeys...)},
	{Whisper, "the log-mel spectrogram of Whisper", []spec.Entry{
		{Name: "feature_size", Meaning: "mel bins; default: 80"},
		{Name: "n_fft", Meaning: "samples of a frame; default: 400"},
		{Name: "hop_length", Meaning: "samples from one frame to the next; default: 160"},
		{Name: "chunk_length", Meaning: "seconds to which a sound is cut or padded; default: 30"},
		padSeconds,
	}},
	{AST, "the log filter banks of the Audio Spectrogram Transformer", []spec.Entry{
		{Name: "num_mel_bins", Meaning: "default: 128"},
		{Name: "max_length", Meaning: "frames to which a sound is cut or padded; default: 1024"},
		{Name: "do_normalize", Meaning: "subtract mean and divide by twice std; default: true"},
		{Name: "mean", Meaning: "default: -4.2677393, of AudioSet"},
		{Name: "std", Meaning: "default: 4.5689974"},
		padSeconds,
	}},
	{Raw, "the samples themselves", append([]spec.Entry{
		{Name: "do_normalize", Meaning: "to mean 0 and variance 1; default: true if the type is named"},
		padSeconds,
	}, windowKeys...)},
}

// keysOf returns the keys that a kind of front end heeds.
func keysOf(kind string) []spec.Entry {
	for _, f := range FrontEnds {
		if f.Type == kind {
			return f.Keys
		}
	}
	return nil
}

// Harmless are keys of Hugging Face's audio processors that leave the values as they are: names of
// classes and files, masks, the form of the processor's own output, and what follows from other
// keys.
var Harmless = []string{
	"processor_class", "_processor_class", "image_processor_type", "auto_map", "model_input_names", "_valid_processor_keys", "_name_or_path", "name_or_path",
	"_commit_hash", "transformers_version", "tokenizer_class", "return_tensors", "return_attention_mask", "device", "mel_filters", "n_samples", "nb_max_frames",
}

// checkKeys errors on a key that c's front end does not heed and that may change a sound. One whose
// value is false, null or 0 switches nothing on.
func (c *Config) checkKeys(keys map[string]json.RawMessage) error {
	kind := c.Type
	if c.Frontend != "" {
		kind = ""
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := strings.TrimSpace(string(keys[key]))
		switch {
		case spec.Has(Keys, key), spec.Has(keysOf(kind), key), slices.Contains(Harmless, key):
		case slices.Contains([]string{"false", "null", "0", "0.0", `""`}, value):
		case key == "feature_size" && value == "1": // a sample is one value
		default:
			if len(value) > 40 {
				value = value[:37] + "..."
			}
			return fmt.Errorf("%s: %s is not understood for %s and may change the sounds: take the key out if it does not", key, value, c.front())
		}
	}
	return nil
}

// front names the front end in messages.
func (c *Config) front() string {
	if c.Frontend != "" {
		return "the front end " + c.Frontend
	}
	return c.Type
}
