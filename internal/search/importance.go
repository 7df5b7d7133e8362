package search

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// Share is how much one parameter decides whether a trial is among the best.
type Share struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of all parameters; together they are 1, or 0 where none matters
	From  int     `json:"from"`  // results that have the parameter; few tell little
}

// Importance estimates which parameters matter for one objective by PED-ANOVA (Watanabe, Bansal,
// Hutter 2023, PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces,
// section 4): the Pearson divergence of where the best tenth of the trials lie from where all lie.
// All trials that were run are the baseline, not an even spread, so that a search which looks at
// good values more often does not make them important. What as many trials drawn at random show is
// taken off, and a parameter that shows no more than 95 of 100 such draws has no share. A parameter
// that does not always exist is judged among the trials that have it. Shares are in the order of
// the space.
func Importance(s *space.Space, results []Result, objective int) []Share {
	var all []Result
	for _, r := range results {
		if r.State == Done {
			r.Values = []float64{r.Values[objective]}
			all = append(all, r)
		}
	}
	ranked := Best(inOrder(all), len(all))
	out := make([]Share, len(s.Params()))
	sum := 0.0
	for i := range s.Params() {
		p := &s.Params()[i]
		var having []Result
		for _, r := range ranked {
			if _, ok := r.Point.Get(p.Name); ok {
				having = append(having, r)
			}
		}
		out[i] = Share{p.Name, divergence(p, having), len(having)}
		sum += out[i].Share
	}
	for i := range out {
		if sum > 0 {
			out[i].Share /= sum
		}
	}
	return out
}

const (
	fewest = 4   // results of which a parameter's importance is estimated
	draws  = 100 // random choices that the best are compared with
	bins   = 50  // parts of the line of a parameter with more values
)

// divergence says how far the best of the results, which stand first, lie from all of them.
func divergence(p *space.Param, ranked []Result) float64 {
	n := len(ranked)
	if n < fewest || p.Count() == 1 {
		return 0
	}
	top := min(max((n+9)/10, 5), n/2)
	for last := ranked[top-1]; top < n && ranked[top].Rung == last.Rung && ranked[top].Values[0] == last.Values[0]; {
		top++ // equals are all among the best, or none
	}
	if top == n {
		return 0
	}
	points := make([]space.Point, n)
	for i, r := range ranked {
		points[i] = r.Point
	}
	base := spread(p, points)
	from := func(some []space.Point) float64 {
		sum := 0.0
		for i, x := range spread(p, some) {
			if base[i] > 0 {
				sum += (x - base[i]) * (x - base[i]) / base[i]
			}
		}
		return sum
	}
	best := from(points[:top])
	chance := make([]float64, draws)
	some := make([]space.Point, top)
	for k := range chance {
		for i, at := range random.For(0, random.Search, n, k).Perm(n)[:top] {
			some[i] = points[at]
		}
		chance[k] = from(some)
	}
	slices.Sort(chance)
	if best <= chance[draws*95/100] {
		return 0
	}
	return best - stat.Mean(chance, nil)
}

// spread is the smoothed share of the points in each value or part of the line: the mixture that
// TPE uses, with the width by Scott's rule (Scott 1992, Multivariate density estimation).
func spread(p *space.Param, points []space.Point) []float64 {
	parts := p.Count()
	if parts == 0 || parts > bins && p.Kind != space.Choice {
		parts = bins
	}
	width := 1.0
	if p.Kind != space.Choice {
		units := make([]float64, len(points))
		for i, o := range points {
			v, _ := o.Get(p.Name)
			units[i] = p.Unit(v)
		}
		width = max(1.059*stat.StdDev(units, nil)*math.Pow(float64(len(points)), -0.2), 0.5/float64(parts))
	}
	a := newAxis(p, points, width)
	weights := make([]float64, len(a.shapes))
	for _, s := range a.of {
		weights[s] += 1 / float64(len(a.of))
	}
	out := make([]float64, parts)
	for s, shape := range a.shapes {
		for i := range out {
			if p.Kind == space.Choice {
				out[i] += weights[s] * shape.chances[i]
				continue
			}
			lo, hi := float64(i)/float64(parts), float64(i+1)/float64(parts)
			if parts == p.Count() {
				lo, hi = p.Cell(p.Nth(i))
			}
			out[i] += weights[s] * shape.bell.between(lo, hi)
		}
	}
	return out
}
