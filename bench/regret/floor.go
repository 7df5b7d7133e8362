package main

import (
	"fmt"
	"strings"
)

// leastOthers is how many other seeds tell which plan of a pair is best.
const leastOthers = 2

// floor writes what a chooser loses that knows the answer as well as it can be known. For each seed
// it takes the plan and the rate that are best on the mean of the pair's other seeds. What it loses
// is chance, so no search is expected to lose less by its choice among the same plans.
func (s *state) floor(b *strings.Builder) {
	var lost, times, auto []float64
	pairs := map[string]bool{}
	for _, seeds := range s.grids() {
		for i, g := range seeds {
			f := knownBest(seeds, i)
			if f == nil {
				continue
			}
			pairs[g.pair] = true
			lost, times = append(lost, g.regret(f)), append(times, f.CPU/g.cpu)
			if a := s.find(key{g.pair, f.Seed, "auto", ""}); a != nil {
				auto = append(auto, g.regret(a))
			}
		}
	}
	if len(lost) == 0 {
		return
	}
	fmt.Fprintf(b, "| the best plan of the other seeds (%d pairs, %d fits) | %.2f | %.2f | %.2f |\n", len(pairs), len(lost), sum(lost).mean, sum(lost).worst, sum(times).mean)
	fmt.Fprintf(b, "\n**The best plan of the other seeds** knows the answer as well as it can be known: for each seed it takes the plan and rate of\n"+
		"the grid that are best on the mean of the pair's other seeds. It covers the pairs with %d seeds or more. What it loses is\n"+
		"chance: which of several good fits the validation examples happen to favour. A choice among the same plans cannot be\n"+
		"expected to lose less.", leastOthers+1)
	if len(auto) > 0 {
		fmt.Fprintf(b, " On %d of these fits `--auto` is measured, too: it loses %.2f, at worst %.2f.", len(auto), sum(auto).mean, sum(auto).worst)
	}
	b.WriteString("\n")
}

// grids are the whole grids of each pair, in order of their first fit and by seed.
func (s *state) grids() [][]*grid {
	var out [][]*grid
	at := map[string]int{}
	seen := map[key]bool{}
	for _, f := range s.Fits {
		k := key{Pair: f.Pair, Seed: f.Seed}
		if seen[k] {
			continue
		}
		seen[k] = true
		g := s.grid(f.Pair, f.Seed)
		if g == nil {
			continue
		}
		i, ok := at[f.Pair]
		if !ok {
			i = len(out)
			at[f.Pair] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], g)
	}
	return out
}

// knownBest is the fit of seed i by the plan and the rate whose mean over the other seeds is best, the
// first of equals. It is nil where there are too few other seeds.
func knownBest(seeds []*grid, i int) *fit {
	if len(seeds) <= leastOthers {
		return nil
	}
	var best *fit
	most := 0.0
	for k, f := range seeds[i].fits {
		mean := 0.0
		for j, g := range seeds {
			switch {
			case len(g.fits) != len(seeds[i].fits):
				return nil // a plan is missing for one seed
			case j != i && g.fits[k].Failed == "":
				mean += g.fits[k].Accuracy / float64(len(seeds)-1)
			}
		}
		if f.Failed == "" && mean > most {
			best, most = f, mean
		}
	}
	return best
}
