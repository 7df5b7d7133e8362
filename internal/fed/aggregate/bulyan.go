package aggregate

import (
	"fmt"
	"slices"
)

// Bulyan chooses n-2*Liars updates by repeated Krum, and of them takes for each weight the mean of
// the values nearest to the median, leaving out Liars at either end. A lie that hides in few of many
// weights passes Krum, and not this (El Mhamdi, Guerraoui, Rouault, The Hidden Vulnerability of
// Distributed Learning in Byzantium, ICML 2018).
type Bulyan struct{ Liars int }

// Needs is 4*Liars+3.
func (r Bulyan) Needs() int { return 4*r.Liars + 3 }

// Combine returns the mean of the values near the medians of the updates that are chosen.
func (r Bulyan) Combine(updates []Update) (Change, error) {
	if err := enough(r, updates, fmt.Sprintf("bulyan with %d liars", r.Liars)); err != nil {
		return Change{}, err
	}
	d := distances(updates)
	set := make([]int, len(updates))
	for i := range set {
		set[i] = i
	}
	var chosen []int
	for len(chosen) < len(updates)-2*r.Liars {
		best := nearest(d, set, r.Liars)[0]
		chosen = append(chosen, best)
		set = slices.DeleteFunc(set, func(i int) bool { return i == best })
	}
	slices.Sort(chosen)
	return choose(updates, chosen, func(kept []Update) []float32 {
		near := len(kept) - 2*r.Liars
		return columns(kept, func(x []float32) float32 { return nearMedian(x, near) })
	}), nil
}

// nearMedian is the mean of the n values nearest to the median of x.
func nearMedian(x []float32, n int) float32 {
	m := median(x)          // sorts x
	lo, hi := 0, len(x)-n+1 // where the n values may begin: they are neighbours in order
	best := lo
	for at := lo + 1; at < hi; at++ {
		if max(m-x[at], x[at+n-1]-m) < max(m-x[best], x[best+n-1]-m) {
			best = at
		}
	}
	return meanOf(x[best : best+n])
}
