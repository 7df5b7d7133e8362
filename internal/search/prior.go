package search

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// mostSorted bounds the proposals that are made ahead to be ordered.
const mostSorted = 256

// sortBlind makes the proposals that depend on no result ahead, and orders them by the prior.
func (p *Planner) sortBlind() {
	if p.plan.Prior == nil {
		return
	}
	seen := slices.Clone(p.known)
	for i, point := range p.plan.First {
		seen = append(seen, Result{Trial: len(p.known) + i, Point: point})
	}
	type scored struct {
		point space.Point
		score float64
	}
	var all []scored
	for n := len(p.plan.First); p.blind(n) && n != p.plan.Trials && len(all) < mostSorted; n++ {
		point, ok := p.plan.Algorithm.Propose(len(p.known)+n, seen)
		if !ok {
			break
		}
		seen = append(seen, Result{Trial: len(p.known) + n, Point: point})
		all = append(all, scored{point, p.plan.Prior(point)})
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) }) // NaN last
	for _, s := range all {
		p.sorted = append(p.sorted, s.point)
	}
}
