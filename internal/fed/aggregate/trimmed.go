package aggregate

import (
	"fmt"
	"slices"
)

// Trimmed leaves out the share Part of the changes of each weight at either end and takes the mean
// of the rest (Yin et al., ICML 2018). It bears a share of Part lying clients.
type Trimmed struct{ Part float64 } // from 0 to below 0.5

// Needs is the least number of updates of which one is left out at either end, and at least 3.
func (r Trimmed) Needs() int {
	for n := 3; ; n++ {
		if r.Part == 0 || int(r.Part*float64(n)) > 0 {
			return n
		}
	}
}

// Combine returns the coordinate-wise trimmed mean.
func (r Trimmed) Combine(updates []Update) (Change, error) {
	if r.Part < 0 || r.Part >= 0.5 {
		return Change{}, fmt.Errorf("aggregate: trimmed: %g is not from 0 to below 0.5", r.Part)
	}
	if err := enough(r, updates, "trimmed"); err != nil {
		return Change{}, err
	}
	cut := int(r.Part * float64(len(updates)))
	return Change{Delta: columns(updates, func(x []float32) float32 {
		slices.Sort(x)
		return meanOf(x[cut : len(x)-cut])
	})}, nil
}

func meanOf(x []float32) float32 {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	return float32(sum / float64(len(x)))
}
