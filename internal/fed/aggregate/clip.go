package aggregate

import (
	"slices"
)

// Clip shortens every change to at most Norm, then takes their plain mean: an exaggerated update
// moves the weights no further than any other (Sun, Kairouz, Suresh, McMahan, Can You Really
// Backdoor Federated Learning?, 2019). With Norm 0 the limit is the median length of the round's
// changes. Numbers of examples are not heeded, since a client may lie about its own.
type Clip struct{ Norm float64 }

// Needs is 1, and 3 where the limit is the median.
func (r Clip) Needs() int {
	if r.Norm > 0 {
		return 1
	}
	return 3
}

// Combine returns the mean of the shortened changes.
func (r Clip) Combine(updates []Update) (Change, error) {
	if err := enough(r, updates, "clip"); err != nil {
		return Change{}, err
	}
	norms := make([]float64, len(updates))
	for i, u := range updates {
		norms[i] = Norm(u.Delta)
	}
	limit := r.Norm
	if limit == 0 {
		limit = median(slices.Clone(norms))
	}
	sum := make([]float64, len(updates[0].Delta))
	for i, u := range updates {
		scale := 1 / float64(len(updates))
		if norms[i] > limit {
			scale *= limit / norms[i]
		}
		for j, v := range u.Delta {
			sum[j] += scale * float64(v)
		}
	}
	return Change{Delta: rounded(sum)}, nil
}

// median is the middle value, or the mean of the two middle ones. It sorts x.
func median[T float32 | float64](x []T) T {
	slices.Sort(x)
	n := len(x)
	if n%2 == 1 {
		return x[n/2]
	}
	return (x[n/2-1] + x[n/2]) / 2
}
