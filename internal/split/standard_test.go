package split

import (
	"math"
	"testing"
)

func TestStandardOfRareFeatures(t *testing.T) {
	// three features over four examples: deviations 2, 0.002 and 0
	rows := []float32{
		3, 0.002, 1,
		-1, -0.002, 1,
		3, 0.002, 1,
		-1, -0.002, 1,
	}
	usual := math.Sqrt((2*2 + 0.002*0.002) / 3.)
	for name, c := range map[string]struct {
		moving bool
		want   [3]float64 // what a feature is multiplied by
	}{
		"features that stay": {false, [3]float64{1 / 2., 1 / 0.002, 0}},
		"features that move": {true, [3]float64{1 / 2., 1 / (0.1 * usual), 0}},
	} {
		var m Moments
		m.Add(rows, 3)
		s := m.Standard(c.moving)
		for i, want := range c.want {
			if got := float64(s.InvStd[i]); math.Abs(got-want) > 1e-4*want {
				t.Errorf("%s: feature %d is multiplied by %g, want %g", name, i, got, want)
			}
		}
		if s.Mean[0] != 1 || s.Mean[2] != 1 {
			t.Errorf("%s: means %v", name, s.Mean)
		}
	}
}
