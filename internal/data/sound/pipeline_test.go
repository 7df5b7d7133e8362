package sound

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// sums is a front end whose frames are the sums of ten samples every ten, twice, and which takes 20
// samples at least.
type sums struct{}

func (sums) Bins() int                     { return 2 }
func (sums) Digest() (d [sha256.Size]byte) { return d }
func (sums) Features(x []float32) ([]float32, int, error) {
	if len(x) < 20 {
		return nil, 0, errors.New("too short")
	}
	var out []float32
	for i := 0; i+10 <= len(x); i += 10 {
		s := float32(0)
		for _, v := range x[i : i+10] {
			s += v
		}
		out = append(out, s, s)
	}
	return out, len(out) / 2, nil
}

func pipeline(t *testing.T, config string, m Model) *Pipeline {
	t.Helper()
	c, err := Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.For(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWindows(t *testing.T) {
	p := pipeline(t, `{"sampling_rate": 1000, "sample_scale": 2, "frontend": "sums.onnx", "feature_scale": 0.5, "feature_shift": 1,
		"window": 4, "hop": 2, "pad_seconds": [0.01, 0.02]}`, sums{})
	x := make([]float32, 75) // frames: silence, seven of 10 and one of 5, one silent
	for i := range x {
		x[i] = 1
	}
	r, err := p.Prepare(x, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	frames := []float32{1, 11, 11, 11, 11, 11, 11, 11, 6, 1}
	if r.Count != 4 || !slices.Equal(r.Shape, []int{4, 2}) || !slices.Equal(p.RowShape(), r.Shape) {
		t.Fatalf("%d rows of %v", r.Count, r.Shape)
	}
	for k := range r.Count {
		for i := range 4 {
			for b := range 2 {
				if got := r.Row(k)[i*2+b]; got != frames[k*2+i] {
					t.Errorf("window %d, frame %d is %v, want %v", k, i, got, frames[k*2+i])
				}
			}
		}
	}
	if x[0] != 1 {
		t.Error("the samples were changed")
	}
	if r, err = p.Prepare(x[:1], nil, nil); err != nil || r.Count != 1 || r.Row(0)[2] != 2 {
		t.Errorf("a sound shorter than a window: %d rows, %v, %v", r.Count, r.Values, err)
	}
}

func TestMaxSeconds(t *testing.T) {
	file := riff("RIFF", 0, format(wavPCM, 1, 8000, 16), data(make([]byte, 3*16000)...))
	if _, err := pipeline(t, `{"sampling_rate": 8000, "max_seconds": 2.5}`, nil).Load(bytes.NewReader(file)); err == nil || !strings.Contains(err.Error(), "3s is longer than the limit of 2.5s (max_seconds") {
		t.Error(err)
	}
	if x, err := pipeline(t, `{"sampling_rate": 8000, "max_seconds": 3}`, nil).Load(bytes.NewReader(file)); err != nil || len(x) != 24000 {
		t.Error(len(x), err)
	}
}

func TestKeptRows(t *testing.T) {
	p := pipeline(t, `{"sampling_rate": 1000, "frontend": "sums.onnx", "window": 4, "hop": 2}`, sums{})
	for n, count := range map[int]int{0: 0, 7: 0, 8: 1, 9: 0, 10: 1, 12: 2} {
		if r, err := p.Rows(make([]float32, n)); err == nil != (count > 0) || r.Count != count {
			t.Errorf("%d values: %d rows, %v", n, r.Count, err)
		}
	}
}

func TestWholeRow(t *testing.T) {
	p := pipeline(t, `{"sampling_rate": 1000, "frontend": "sums.onnx"}`, sums{})
	if r, err := p.Prepare(make([]float32, 35), nil, nil); err != nil || r.Count != 1 || !slices.Equal(r.Shape, []int{3, 2}) || len(r.Values) != 6 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := p.RowShape(); !slices.Equal(got, []int{-1, 2}) {
		t.Errorf("row shape %v", got)
	}
}

func TestRaw(t *testing.T) {
	for _, c := range []struct {
		config       string
		n            int
		count, width int
	}{
		{`{"sampling_rate": 16000, "feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": true, "feature_size": 1}`, 123, 1, 123},
		{`{"sampling_rate": 16000}`, 50, 1, 50},
		{`{"sampling_rate": 16000, "window": 40}`, 30, 1, 40},
		{`{"sampling_rate": 16000, "window": 40}`, 40, 1, 40},
		{`{"sampling_rate": 16000, "window": 40}`, 41, 2, 40},
		{`{"sampling_rate": 16000, "window": 40, "hop": 10}`, 60, 3, 40},
		{`{"sampling_rate": 16000, "window": 40, "hop": 10}`, 61, 4, 40},
	} {
		x := make([]float32, c.n)
		for i := range x {
			x[i] = float32(i)
		}
		r, err := pipeline(t, c.config, nil).Prepare(x, nil, nil)
		if err != nil || r.Count != c.count || !slices.Equal(r.Shape, []int{c.width}) || len(r.Row(c.count-1)) != c.width {
			t.Errorf("%s, %d samples: %d rows of %v, %d values, %v", c.config, c.n, r.Count, r.Shape, len(r.Values), err)
		}
	}
}

func TestConfig(t *testing.T) {
	for text, want := range map[string]string{
		`{"sampling_rate": 16000, "feature_extractor_type": "EncodecFeatureExtractor"}`: `feature_extractor_type "EncodecFeatureExtractor"`,
		`{}`: "sampling_rate", `{"sampling_rate": -5}`: "sampling_rate", `{"sampling_rate": "high"}`: "sampling_rate",
		`{"sampling_rate": 16000, "frontend": "../mel.onnx"}`:                                                                "frontend",
		`{"sampling_rate": 16000, "frontend": "m.onnx", "num_mel_bins": 3, "feature_extractor_type": "ASTFeatureExtractor"}`: "frontend",
		`{"sampling_rate": 16000, "frontend": "m.onnx", "window": -1}`:                                                       "window",
		`{"sampling_rate": 16000, "frontend": "m.onnx", "window": 7, "hop": -1}`:                                             "hop",
		`{"sampling_rate": 16000, "frontend": "m.onnx", "pad_seconds": [0.5]}`:                                               "pad_seconds",
		`{"sampling_rate": 16000, "frontend": "m.onnx", "pad_seconds": [0.5, 1e9]}`:                                          "pad_seconds",
		`{"sampling_rate": 16000, "frontend": "m.onnx", "sample_scale": 0}`:                                                  "sample_scale",
		`{"sampling_rate": 16000, "n_fft": 1}`:                                                                               "n_fft",
		`{"sampling_rate": 16000, "n_fft": 400, "hop_length": 4000}`:                                                         "hop_length",
		`{"sampling_rate": 16000, "chunk_length": 1e9}`:                                                                      "chunk_length",
		`{"sampling_rate": 16000, "chunk_length": 30, "window": 76}`:                                                         "window",
		`{"sampling_rate": 16000, "num_mel_bins": 128, "std": 0}`:                                                            "std",
		`{"sampling_rate": 16000, "num_mel_bins": 128, "max_length": -4}`:                                                    "max_length",
		`{"sampling_rate": 16000, "max_seconds": -1}`:                                                                        "max_seconds",
		`{"sampling_rate": 16000, "padding_side": "left"}`:                                                                   "padding_side",
		`{"sampling_rate": 16000, "n_fft": 400, "dither": 1}`:                                                                "dither",
		`[`: "JSON",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if IsConfig([]byte(`{"size": 224}`)) || !IsConfig([]byte(`{"sampling_rate": 16000}`)) {
		t.Error("IsConfig")
	}
}

// TestConfigRoundTrip reads back what it writes, to the same digest.
func TestConfigRoundTrip(t *testing.T) {
	for _, text := range []string{`{"sampling_rate": 16000, "frontend": "sums.onnx", "feature_shift": 2, "window": 76}`, `{"sampling_rate": 16000, "chunk_length": 5}`,
		`{"sampling_rate": 16000, "num_mel_bins": 64, "do_normalize": false}`, `{"sampling_rate": 8000, "do_normalize": true}`} {
		var m Model
		if strings.Contains(text, "frontend") {
			m = sums{}
		}
		p := pipeline(t, text, m)
		b, err := json.Marshal(p.Config)
		if err != nil {
			t.Fatal(err)
		}
		if q := pipeline(t, string(b), m); q.Digest() != p.Digest() {
			t.Errorf("%s came back as %s", text, b)
		}
	}
	a, b := pipeline(t, `{"sampling_rate": 16000, "chunk_length": 5}`, nil), pipeline(t, `{"sampling_rate": 16000, "chunk_length": 6}`, nil)
	if a.Digest() == b.Digest() {
		t.Error("two preparations have one digest")
	}
}

func TestParseAugment(t *testing.T) {
	for spec, want := range map[string]string{"": "none", "none": "none", "noise:10": "noise:10", "shift:0.1,gain:6": "gain:6,shift:0.1",
		"noise:-5.5,shift:1": "shift:1,noise:-5.5", "noise:0": "noise:0"} {
		a, err := ParseAugment(spec)
		if err != nil || a.String() != want {
			t.Errorf("%q: %v, %v", spec, a, err)
		}
	}
	for _, spec := range []string{"noise", "noise:loud", "gain:-1", "gain:NaN", "shift:99", "flip", "gain:1,gain:2", ","} {
		if _, err := ParseAugment(spec); err == nil || !strings.Contains(err.Error(), AugmentHelp) {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestAugment(t *testing.T) {
	p := pipeline(t, `{"sampling_rate": 16000, "pad_seconds": [0.5, 0.5]}`, nil)
	x := tune()
	prepare := func(spec string, seed uint64) []float32 {
		a, err := ParseAugment(spec)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Prepare(x, a, rand.New(rand.NewPCG(seed, 0)))
		if err != nil || len(r.Values) != 32000 {
			t.Fatal(len(r.Values), err)
		}
		return r.Values
	}
	plain := prepare("none", 0)
	if all := "noise:10,gain:6,shift:0.3"; !slices.Equal(prepare(all, 1), prepare(all, 1)) || slices.Equal(prepare(all, 1), prepare(all, 2)) {
		t.Error("the generator alone must decide")
	}
	energy := func(x []float32) (e float64) {
		for _, v := range x {
			e += float64(v) * float64(v)
		}
		return e
	}
	for seed := range uint64(20) {
		if db := 10 * math.Log10(energy(prepare("gain:6", seed))/energy(plain)); math.Abs(db) > 6.01 {
			t.Errorf("gain:6 made it %.2f dB louder", db)
		}
		y := prepare("shift:0.3", seed)
		first := slices.IndexFunc(y, func(v float32) bool { return v != 0 })
		if first < 8000-4800 || first > 8000+4800 || !slices.Equal(y[first:first+16000], x) {
			t.Errorf("shift:0.3 moved it to %d", first)
		}
		y = prepare("noise:10", seed)
		for i, v := range plain {
			y[i] -= v
		}
		if db := 10 * math.Log10(energy(plain)/16000/(energy(y)/32000)); db < 9.9 || db > 30.1 {
			t.Errorf("noise:10 gave %.2f dB", db)
		}
	}
}
