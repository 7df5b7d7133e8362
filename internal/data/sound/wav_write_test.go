package sound

import (
	"bytes"
	"math"
	"testing"
)

// TestWriteWAV: what is written is read again, within the precision of 8 bits.
func TestWriteWAV(t *testing.T) {
	for _, n := range []int{1, 2, 999} {
		want := make([]float32, n)
		for i := range want {
			want[i] = float32(math.Sin(float64(i)))
		}
		c, err := Decode(bytes.NewReader(WAV(want, 8000)), 0)
		if err != nil || c.Rate != 8000 || len(c.Samples) != n {
			t.Fatalf("%d samples: %+v, %v", n, c, err)
		}
		for i, v := range c.Samples {
			if d := math.Abs(float64(v - want[i])); d > 0.02 {
				t.Fatalf("sample %d is %g, want %g", i, v, want[i])
			}
		}
	}
}
