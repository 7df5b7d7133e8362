package sound

import (
	"math"
	"testing"
)

// tune is the second of sound that the reference numbers were computed from: two sines, one with a
// sawtooth's loudness, over a broad noise.
func tune() []float32 {
	x := make([]float32, 16000)
	for i := range x {
		t := 2 * math.Pi * float64(i) / 16000
		x[i] = float32(0.5*math.Sin(440*t) + 0.25*math.Sin(3000*t+1)*float64(i%4000)/4000 + 0.1*(float64(i*i%997)/498.5-1))
	}
	return x
}

type at struct {
	row, column int
	value       float64
}

// checkRow compares a row with numbers that numpy computed in double precision from the formulas of
// the doc comments.
func checkRow(t *testing.T, config string, shape [2]int, mean, square float64, table []at) {
	t.Helper()
	c, err := Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.For(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Prepare(tune(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Count != 1 || len(r.Shape) != 2 || [2]int(r.Shape) != shape || len(r.Values) != shape[0]*shape[1] {
		t.Fatalf("%d rows of %v with %d values, want one of %v", r.Count, r.Shape, len(r.Values), shape)
	}
	sum, sum2 := 0.0, 0.0
	for _, v := range r.Values {
		sum += float64(v)
		sum2 += float64(v) * float64(v)
	}
	n := float64(len(r.Values))
	if d := math.Abs(sum/n - mean); d > 1e-5 {
		t.Errorf("mean %v, want %v", sum/n, mean)
	}
	if d := math.Abs(sum2/n - square); d > 1e-5 {
		t.Errorf("mean square %v, want %v", sum2/n, square)
	}
	for _, w := range table {
		if got := r.Values[w.row*shape[1]+w.column]; math.Abs(float64(got)-w.value) > 1e-5 {
			t.Errorf("[%d, %d] is %v, want %v", w.row, w.column, got, w.value)
		}
	}
}

func TestWhisper(t *testing.T) {
	checkRow(t, `{"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 16000, "chunk_length": 30, "n_fft": 400,
		"hop_length": 160, "feature_size": 80, "padding_side": "right", "padding_value": 0.0, "return_attention_mask": false, "nb_max_frames": 3000}`,
		[2]int{80, 3000}, -0.5209398153454061, 0.31229332992265013, []at{
			{0, 0, 0.849657}, {5, 3, 0.665433}, {9, 50, 1.156778}, {40, 20, 0.270979}, {41, 60, 0.274978},
			{79, 99, 0.425487}, {10, 100, 1.275768}, {30, 2999, -0.558027}})
}

func TestAST(t *testing.T) {
	checkRow(t, `{"feature_extractor_type": "ASTFeatureExtractor", "sampling_rate": 16000, "do_normalize": true, "max_length": 1024,
		"mean": -4.2677393, "std": 4.5689974, "num_mel_bins": 128, "feature_size": 1, "padding_value": 0.0}`,
		[2]int{1024, 128}, 0.4513754956775833, 0.22078208586199707, []at{
			{0, 0, -0.395423}, {0, 20, 0.426010}, {50, 10, -0.450571}, {20, 73, 0.533689}, {97, 127, 0.849355},
			{60, 90, 0.517500}, {97, 5, -0.734349}, {98, 5, 0.467032}, {1023, 64, 0.467032}})
}

// TestLongAndShort holds the fixed rows to their shape whatever the length of the sound.
func TestLongAndShort(t *testing.T) {
	for _, config := range []string{`{"sampling_rate": 16000, "chunk_length": 1}`, `{"sampling_rate": 16000, "num_mel_bins": 32, "max_length": 100}`} {
		c, err := Parse([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		p, _ := c.For(nil)
		for _, n := range []int{1, 100, 399, 400, 401, 15999, 16000, 16001, 40000} {
			r, err := p.Prepare(make([]float32, n), nil, nil)
			if err != nil || len(r.Values) != r.Shape[0]*r.Shape[1] {
				t.Errorf("%s, %d samples: %v, %d values, %v", config, n, r.Shape, len(r.Values), err)
			}
			for _, v := range r.Values {
				if v-v != 0 {
					t.Fatalf("%s, %d samples: %v", config, n, v)
				}
			}
		}
	}
}

func TestNormalize(t *testing.T) {
	got := normalize([]float32{1, 2, 3, 6})
	for i, want := range []float64{-1.0690449, -0.5345224, 0, 1.6035674} { // mean 3, variance 3.5
		if math.Abs(float64(got[i])-want) > 1e-6 {
			t.Errorf("%v, want %v", got[i], want)
		}
	}
	if got := normalize(make([]float32, 3)); got[0] != 0 {
		t.Errorf("silence becomes %v", got)
	}
}
