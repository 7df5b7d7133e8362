package aggregate

import (
	"fmt"
	"slices"
)

// Krum takes the Keep updates that lie nearest to their neighbours, and their plain mean. With n
// updates and up to Liars lying clients, the score of an update is the sum of the squared distances
// to its n-Liars-2 nearest others. Keep 1 is Krum, a larger Keep is multi-Krum, and 0 stands for
// n-Liars (Blanchard, El Mhamdi, Guerraoui, Stainer, Machine Learning with Adversaries, NeurIPS
// 2017).
type Krum struct{ Liars, Keep int }

// Needs is 2*Liars+3.
func (r Krum) Needs() int { return 2*r.Liars + 3 }

// Combine returns the mean of the updates that are kept.
func (r Krum) Combine(updates []Update) (Change, error) {
	if err := enough(r, updates, fmt.Sprintf("krum with %d liars", r.Liars)); err != nil {
		return Change{}, err
	}
	n := len(updates)
	keep := r.Keep
	if keep == 0 {
		keep = n - r.Liars
	}
	if keep > n-r.Liars {
		return Change{}, fmt.Errorf("aggregate: krum: of %d updates and %d liars at most %d can be kept, not %d", n, r.Liars, n-r.Liars, keep)
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	chosen := nearest(distances(updates), all, r.Liars)[:keep]
	slices.Sort(chosen)
	return choose(updates, chosen, plain), nil
}

// choose combines the chosen updates by f, and names the others.
func choose(updates []Update, chosen []int, f func([]Update) []float32) Change {
	var c Change
	var kept []Update
	for i, u := range updates {
		if slices.Contains(chosen, i) {
			kept = append(kept, u)
		} else {
			c.Left = append(c.Left, u.Client)
		}
	}
	c.Delta = f(kept)
	return c
}

// distances are the squared distances between all pairs of changes.
func distances(updates []Update) [][]float64 {
	d := make([][]float64, len(updates))
	for i := range d {
		d[i] = make([]float64, len(updates))
		for j := range i {
			d[i][j] = between(updates[i].Delta, updates[j].Delta)
			d[j][i] = d[i][j]
		}
	}
	return d
}

func between(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		x := float64(v) - float64(b[i])
		sum += x * x
	}
	return sum
}

// nearest orders the updates of a set by their Krum score within it, the best first, and equal ones
// by their place.
func nearest(d [][]float64, set []int, liars int) []int {
	scores := make(map[int]float64, len(set))
	for _, i := range set {
		var others []float64
		for _, j := range set {
			if j != i {
				others = append(others, d[i][j])
			}
		}
		slices.Sort(others)
		for _, x := range others[:min(len(others), max(1, len(set)-liars-2))] {
			scores[i] += x
		}
	}
	order := slices.Clone(set)
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case scores[a] < scores[b]:
			return -1
		case scores[a] > scores[b]:
			return 1
		}
		return a - b
	})
	return order
}
