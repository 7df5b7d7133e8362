package op

import (
	"math"
	"testing"
)

func TestDropoutRate(t *testing.T) {
	const n, ratio = 1 << 16, 0.3
	x, y, z := make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	dropout(y, x, mix(1), ratio)
	dropout(z, x, mix(2), ratio)
	var dropped, same int
	for i := range y {
		if y[i] == 0 {
			dropped++
		} else if math.Abs(float64(y[i])-1/(1-ratio)) > 1e-6 {
			t.Fatalf("element %d is %g, want 0 or %g", i, y[i], 1/(1-ratio))
		}
		if (y[i] == 0) == (z[i] == 0) {
			same++
		}
	}
	if got := float64(dropped) / n; math.Abs(got-ratio) > 0.01 {
		t.Errorf("dropped %g of the elements, want %g", got, ratio)
	}
	if got, want := float64(same)/n, ratio*ratio+(1-ratio)*(1-ratio); math.Abs(got-want) > 0.01 {
		t.Errorf("two seeds agree on %g of the elements, want %g", got, want)
	}
}
