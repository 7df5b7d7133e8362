package search

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/search/pareto"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// TPE is the tree-structured Parzen estimator: it models where good trials lie (l) and where the
// others lie (g), draws from l and takes the point with the largest l/g.
//
// Sources: the method, Bergstra et al. 2011, Algorithms for hyper-parameter optimization, section
// 4; all parameters modelled together, Falkner, Klein, Hutter 2018, BOHB, section 3.2; parted into
// groups that exist together, as Optuna's "group"; the numbers below, Optuna's defaults, studied by
// Watanabe 2023, Tree-structured Parzen estimator, sections 3 and 4; several objectives, Ozaki et
// al. 2022, Multiobjective tree-structured Parzen estimator, section 4.
type TPE struct {
	space      *space.Space
	seed       uint64
	Startup    int // results before the first model; until then points are random
	Candidates int // points drawn from l for each proposal
}

// NewTPE returns TPE over s with 10 random trials first and 24 candidates.
func NewTPE(s *space.Space, seed uint64) *TPE {
	return &TPE{space: s, seed: seed, Startup: 10, Candidates: 24}
}

// Blind is true for the random trials at the start.
func (a *TPE) Blind(n int) bool { return n < a.Startup }

// Propose returns the most promising candidate of trial n. Trials that run count as bad, so that
// proposals made side by side keep apart (a constant liar, Ginsbourger et al. 2010); so do those
// that failed.
func (a *TPE) Propose(n int, seen []Result) (space.Point, bool) {
	r := draw(a.seed, n)
	seen = inOrder(seen)
	if a.Blind(n) || finished(seen) < max(a.Startup, 1) {
		return untried(a.space, seen, r, func() space.Point { return a.space.Sample(r) })
	}
	good, bad := split(seen)
	models := make([]model, len(a.space.Groups()))
	for i, g := range a.space.Groups() {
		params := make([]*space.Param, len(g))
		for k, at := range g {
			params[k] = &a.space.Params()[at]
		}
		models[i] = model{newDensity(params, good), newDensity(params, bad)}
	}
	return untried(a.space, seen, r, func() space.Point { return a.propose(models, r) })
}

// model holds where the good and the bad trials of one group of parameters lie.
type model struct{ good, bad *density }

// propose draws the groups one after the other, as far as they exist.
func (a *TPE) propose(models []model, r *rand.Rand) space.Point {
	values := make([]space.Value, len(a.space.Params()))
	drawn := make([]bool, len(values))
	return a.space.Walk(func(i int, _ *space.Param) space.Value {
		if !drawn[i] {
			g := slices.IndexFunc(a.space.Groups(), func(g []int) bool { return slices.Contains(g, i) })
			for k, v := range models[g].best(a.Candidates, r) {
				at := a.space.Groups()[g][k]
				values[at], drawn[at] = v, true
			}
		}
		return values[i]
	})
}

// best draws candidates where good trials lie and returns the one with the largest l/g.
func (m model) best(candidates int, r *rand.Rand) []space.Value {
	var best []space.Value
	top := math.Inf(-1)
	for range candidates {
		c := m.good.draw(r)
		if score := m.good.log(c) - m.bad.log(c); best == nil || score > top {
			best, top = c, score
		}
	}
	return best
}

// weighted is an observation with its weight in a density.
type weighted struct {
	point  space.Point
	weight float64
}

// mostBad bounds the bad trials that are modelled, so that a proposal of a long search costs no
// more than one of a short search: the youngest are kept, which weigh most anyway.
const mostBad = 250

// split parts the results into the good, a tenth but at most 25, and all others.
func split(seen []Result) (good, bad []weighted) {
	top := topOf(seen, min((finished(seen)+9)/10, 25))
	isGood := map[int]bool{}
	for _, t := range top {
		isGood[t.Trial] = true
	}
	var others []space.Point
	for i := len(seen) - 1; i >= 0 && len(others) < mostBad; i-- {
		if !isGood[seen[i].Trial] {
			others = append(others, seen[i].Point)
		}
	}
	slices.Reverse(others)
	for i, w := range ages(len(others)) {
		bad = append(bad, weighted{others[i], w})
	}
	weights := ages(len(top))
	if len(top[0].Values) > 1 {
		weights = contributions(top)
	}
	for i, w := range weights {
		good = append(good, weighted{top[i].Point, w})
	}
	return good, bad
}

// topOf picks the best n, in the order of their trials. With several objectives, of the front that
// does not fit whole those are taken that spread over the most hypervolume.
func topOf(seen []Result, n int) []Result {
	var top []Result
	for rung := highest(seen); rung >= 0 && len(top) < n; rung-- {
		on := onRung(seen, rung)
		if len(on) > 0 && len(on[0].Values) == 1 {
			for _, i := range order(on, n-len(top)) {
				top = append(top, on[i])
			}
			continue
		}
		rows := values(on)
		for _, front := range pareto.Fronts(rows, n-len(top)) {
			if len(top)+len(front) > n {
				var crowd [][]float64
				for _, i := range front {
					crowd = append(crowd, rows[i])
				}
				spread := pareto.Spread(crowd, pareto.Reference(rows), n-len(top))
				for k, i := range spread {
					spread[k] = front[i]
				}
				front = spread
			}
			for _, i := range front {
				top = append(top, on[i])
			}
		}
	}
	return inOrder(top)
}

// ages weighs observations by their age: the last 25 fully, older ones less and less.
func ages(n int) []float64 {
	const full = 25
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
		if old := n - full; i < old {
			out[i] = 1 / float64(n)
			if old > 1 {
				out[i] += (1 - 1/float64(n)) * float64(i) / float64(old-1)
			}
		}
	}
	return out
}

// contributions weighs each result by the hypervolume that only it covers, the largest as 1.
func contributions(top []Result) []float64 {
	rows := values(top)
	reference := pareto.Reference(rows)
	all := pareto.Hypervolume(rows, reference)
	out := make([]float64, len(rows))
	most := 0.0
	for i := range rows {
		out[i] = all - pareto.Hypervolume(slices.Delete(slices.Clone(rows), i, i+1), reference)
		most = max(most, out[i])
	}
	for i := range out {
		if most > 0 {
			out[i] = max(out[i]/most, 1e-12)
		} else {
			out[i] = 1
		}
	}
	return out
}
