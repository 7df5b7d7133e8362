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
// good values more often does not make them important. What the best would show by chance, the mean
// over random choices of as many trials, is taken off. A parameter that does not always exist is
// judged among the trials that have it. Shares are in the order of the space.
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
		var points []space.Point
		for _, r := range ranked {
			if _, ok := r.Point.Get(p.Name); ok {
				points = append(points, r.Point)
			}
		}
		out[i] = Share{p.Name, divergence(p, points), len(points)}
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
	fewest   = 4  // results of which a parameter's importance is estimated
	shuffles = 50 // random choices that the best are compared with
	bins     = 50 // parts of the line of a parameter with more values
)

// divergence says how far the best of the points, which stand first, lie from all of them.
func divergence(p *space.Param, ranked []space.Point) float64 {
	n := len(ranked)
	if n < fewest || p.Count() == 1 {
		return 0
	}
	top := min(max((n+9)/10, 5), n/2)
	base := histogram(p, ranked)
	from := func(points []space.Point) float64 {
		sum := 0.0
		for i, x := range histogram(p, points) {
			if base[i] > 0 {
				sum += (x - base[i]) * (x - base[i]) / base[i]
			}
		}
		return sum
	}
	chance := 0.0
	some := make([]space.Point, top)
	for k := range shuffles {
		for i, at := range random.For(0, random.Search, n, k).Perm(n)[:top] {
			some[i] = ranked[at]
		}
		chance += from(some) / shuffles
	}
	return max(0, from(ranked[:top])-chance)
}

// histogram is the smoothed share of the points in each value or part of the line: the mixture that
// TPE uses, with the width by Scott's rule (Scott 1992, Multivariate density estimation).
func histogram(p *space.Param, points []space.Point) []float64 {
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
	out := make([]float64, parts)
	count := make([]float64, len(a.shapes))
	for _, s := range a.of {
		count[s] += 1 / float64(len(a.of))
	}
	for s, shape := range a.shapes {
		for i := range out {
			switch {
			case p.Kind == space.Choice:
				out[i] += count[s] * shape.chances[i]
			case parts == p.Count():
				lo, hi := p.Cell(p.Nth(i))
				out[i] += count[s] * math.Exp(shape.bell.logMass(lo, hi))
			default:
				out[i] += count[s] * math.Exp(shape.bell.logMass(float64(i)/bins, float64(i+1)/bins))
			}
		}
	}
	return out
}

// Important lists the shares from the largest to the smallest.
func Important(shares []Share) []Share {
	shares = slices.Clone(shares)
	slices.SortStableFunc(shares, func(a, b Share) int {
		switch {
		case a.Share > b.Share:
			return -1
		case a.Share < b.Share:
			return 1
		}
		return 0
	})
	return shares
}
