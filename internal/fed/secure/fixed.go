package secure

import (
	"fmt"
	"math"
)

// Fixed turns numbers into whole ones whose sum is exact and wraps around nowhere: what the masks
// are added to. Clients and server use the same one.
type Fixed struct {
	// Limit is the largest magnitude of a number. Larger ones are cut to it.
	Limit float64
	// Terms is the most vectors that are added.
	Terms int
}

// Check errors where the numbers cannot be told apart.
func (f Fixed) Check() error {
	if !(f.Limit > 0) || math.IsInf(f.Limit, 1) || f.Terms < 1 || f.Terms > 1<<20 {
		return fmt.Errorf("secure: fixed numbers up to %g of %d vectors", f.Limit, f.Terms)
	}
	return nil
}

// Step is the distance of two neighbouring numbers. A term of a sum is off by at most half of it.
func (f Fixed) Step() float64 { return f.Limit * float64(f.Terms) / (math.MaxInt32 - float64(f.Terms)) }

// Encode gives the whole numbers of weight*x. It errors on a number that is not finite, or a weight
// outside 0 to 1.
func (f Fixed) Encode(x []float32, weight float64) ([]uint32, error) {
	if !(weight >= 0 && weight <= 1) {
		return nil, fmt.Errorf("secure: a weight of %g is not from 0 to 1", weight)
	}
	out := make([]uint32, len(x))
	step := f.Step()
	for i, v := range x {
		if v-v != 0 {
			return nil, fmt.Errorf("secure: number %d is %g", i, v)
		}
		w := min(max(weight*float64(v), -f.Limit), f.Limit)
		out[i] = uint32(int32(math.RoundToEven(w / step)))
	}
	return out, nil
}

// Decode gives the numbers of a sum.
func (f Fixed) Decode(sum []uint32) []float64 {
	out := make([]float64, len(sum))
	step := f.Step()
	for i, v := range sum {
		out[i] = float64(int32(v)) * step
	}
	return out
}
