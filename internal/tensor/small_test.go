package tensor

import (
	"math"
	"testing"
)

// TestSmallFloats decodes every code, encodes the value again, and rounds halfway between
// neighbours to even.
func TestSmallFloats(t *testing.T) {
	for _, c := range []struct {
		dt   DType
		bits int
		last float64
	}{
		{Float8E4M3FN, 8, 448}, {Float8E4M3FNUZ, 8, 240}, {Float8E5M2, 8, 57344}, {Float8E5M2FNUZ, 8, 57344},
		{Float8E8M0, 8, math.Ldexp(1, 127)}, {Float4E2M1, 4, 6},
	} {
		greatest := 0.0
		for code := range 1 << c.bits {
			v := SmallToFloat64(c.dt, uint8(code))
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			greatest = math.Max(greatest, v)
			if got := Float64ToSmall(c.dt, v, true); got != uint8(code) {
				t.Errorf("%v: %#x is %g, which is %#x", c.dt, code, v, got)
			}
			next := SmallToFloat64(c.dt, uint8(code+1))
			if c.dt != Float8E8M0 && v >= 0 && next > v && !math.IsInf(next, 0) {
				if got := Float64ToSmall(c.dt, (v+next)/2, true); got != uint8(code+code&1) {
					t.Errorf("%v: between %#x and the next rounds to %#x", c.dt, code, got)
				}
			}
		}
		if greatest != c.last {
			t.Errorf("%v: the greatest number is %g, want %g", c.dt, greatest, c.last)
		}
		if got := SmallToFloat64(c.dt, Float64ToSmall(c.dt, 1e300, true)); got != c.last {
			t.Errorf("%v: saturates at %g, want %g", c.dt, got, c.last)
		}
	}
	if v := SmallToFloat64(Float8E5M2, Float64ToSmall(Float8E5M2, 1e9, false)); !math.IsInf(v, 1) {
		t.Errorf("float8e5m2: 1e9 is %g without saturation", v)
	}
	if v := SmallToFloat64(Float8E4M3FN, Float64ToSmall(Float8E4M3FN, 1e9, false)); !math.IsNaN(v) {
		t.Errorf("float8e4m3fn: 1e9 is %g without saturation", v)
	}
}
