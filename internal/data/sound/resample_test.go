package sound

import (
	"math"
	"testing"
)

func sine(n int, hertz float64, rate int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(2 * math.Pi * hertz * float64(i) / float64(rate)))
	}
	return x
}

// TestResample compares resampled sines with sines, away from the ends, and what lies above the
// lower Nyquist frequency with silence.
func TestResample(t *testing.T) {
	for _, c := range []struct{ from, to int }{{8000, 16000}, {44100, 16000}, {48000, 16000}, {16000, 8000}, {11025, 16000}, {22050, 16000}, {16000, 44100}, {96000, 16000}, {15999, 16000}, {95999, 16000}} {
		lower := float64(min(c.from, c.to))
		n := int(0.1 * float64(c.from))
		edge := int(70 / lower * float64(c.to))
		for _, share := range []float64{0.01, 0.3, 0.8, 0.9, 1.05, 1.5} { // of the lower Nyquist frequency
			hertz := share * lower / 2
			if hertz > float64(c.from)/2 {
				continue
			}
			got := Resample(sine(n, hertz, c.from), c.from, c.to)
			if want := (n*c.to + c.from - 1) / c.from; len(got) != want {
				t.Fatalf("%v: %d samples, want %d", c, len(got), want)
			}
			want := sine(len(got), hertz, c.to)
			if share > 1 {
				clear(want)
			}
			worst := 0.0
			for i := edge; i < len(got)-edge; i++ {
				worst = max(worst, math.Abs(float64(got[i]-want[i])))
			}
			if db := 20 * math.Log10(worst); db > -90 {
				t.Errorf("%d -> %d Hz, a sine of %.0f Hz: off by %.1f dB", c.from, c.to, hertz, db)
			}
		}
	}
}

func TestResampleSame(t *testing.T) {
	x := sine(100, 440, 16000)
	y := Resample(x, 16000, 16000)
	if y[7] != x[7] || &y[0] == &x[0] {
		t.Error("the same rate gives no copy")
	}
	if got := Resample([]float32{1}, 8000, 16000); len(got) != 2 || math.Abs(float64(got[0])-0.95) > 0.01 {
		t.Errorf("one sample becomes %v", got)
	}
	if got := Resample(nil, 8000, 16000); len(got) != 0 {
		t.Errorf("nothing becomes %v", got)
	}
}

func BenchmarkResample(b *testing.B) {
	x := sine(8000, 440, 8000)
	for b.Loop() {
		Resample(x, 8000, 16000)
	}
}
