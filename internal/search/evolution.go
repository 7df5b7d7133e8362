package search

import (
	"math/rand/v2"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// Evolution changes good points a little.
//
// With one objective it is regularised evolution (Real et al. 2019, Regularized evolution for image
// classifier architecture search, algorithm 1): the population is the youngest trials, so even the
// best one leaves it in time; the parent is the best of a few drawn from it; the child differs in
// one parameter.
//
// With several it is NSGA-II (Deb et al. 2002, section III) made steady: the population is the
// trials that are best by front and crowding, two parents are each the better of two drawn, the
// child takes every parameter from one of them, and then each changes with a chance of one in
// their number.
type Evolution struct {
	space      *space.Space
	seed       uint64
	Population int // trials that may be parents; as many random ones come first
	Tournament int // trials drawn for a parent, with one objective
}

// NewEvolution returns evolution over s with a population of 20 and tournaments of 5.
func NewEvolution(s *space.Space, seed uint64) *Evolution {
	return &Evolution{space: s, seed: seed, Population: 20, Tournament: 5}
}

// Blind is true while the first population is drawn.
func (a *Evolution) Blind(n int) bool { return n < a.Population }

// Propose returns the child of trial n.
func (a *Evolution) Propose(n int, seen []Result) (space.Point, bool) {
	r := draw(a.seed, n)
	if a.Blind(n) || finished(seen) == 0 {
		return untried(a.space, seen, r, func() space.Point { return a.space.Sample(r) })
	}
	young := youngest(inOrder(seen), a.Population)
	if len(young[0].Values) > 1 {
		ranked := Best(inOrder(seen), a.Population)
		return untried(a.space, seen, r, func() space.Point { return a.cross(ranked, r) })
	}
	ranked := Best(young, a.Population)
	return untried(a.space, seen, r, func() space.Point { return a.mutate(ranked, r) })
}

// youngest returns the last n that are Done.
func youngest(seen []Result, n int) []Result {
	var out []Result
	for i := len(seen) - 1; i >= 0 && len(out) < n; i-- {
		if seen[i].State == Done {
			out = append(out, seen[i])
		}
	}
	slices.Reverse(out)
	return out
}

// mutate changes one parameter of the best of a few.
func (a *Evolution) mutate(ranked []Result, r *rand.Rand) space.Point {
	parent := tournament(ranked, a.Tournament, r)
	var open []int // parameters that can change
	for i, p := range a.space.Params() {
		if _, ok := parent.Get(p.Name); ok && p.Count() != 1 {
			open = append(open, i)
		}
	}
	change := -1
	if len(open) > 0 {
		change = open[r.IntN(len(open))]
	}
	return a.space.Walk(func(i int, p *space.Param) space.Value {
		v, ok := parent.Get(p.Name)
		switch {
		case !ok:
			return p.Draw(r)
		case i == change:
			return step(p, v, r)
		}
		return v
	})
}

// cross mixes two parents.
func (a *Evolution) cross(ranked []Result, r *rand.Rand) space.Point {
	mother, father := tournament(ranked, 2, r), tournament(ranked, 2, r)
	chance := 1 / float64(len(mother.Settings()))
	return a.space.Walk(func(_ int, p *space.Param) space.Value {
		v, ok := mother.Get(p.Name)
		if w, has := father.Get(p.Name); has && (!ok || r.IntN(2) == 0) {
			v, ok = w, true
		}
		switch {
		case !ok:
			return p.Draw(r)
		case r.Float64() < chance && p.Count() != 1:
			return step(p, v, r)
		}
		return v
	})
}

// tournament draws n of the ranked and returns the point of the best.
func tournament(ranked []Result, n int, r *rand.Rand) space.Point {
	best := len(ranked) - 1
	for _, i := range r.Perm(len(ranked))[:min(n, len(ranked))] {
		best = min(best, i)
	}
	return ranked[best].Point
}

// step changes a value: a choice to any other, an ordered one by a tenth of its line or so.
func step(p *space.Param, v space.Value, r *rand.Rand) space.Value {
	for range attempts {
		w := p.Draw(r)
		if p.Kind != space.Choice {
			w = p.At(p.Unit(v) + 0.1*r.NormFloat64())
		}
		if w != v {
			return w
		}
	}
	return p.Draw(r)
}
