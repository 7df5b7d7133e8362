package search

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/permafrost-ml/permafrost/internal/search/pareto"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// numbers returns the values of a point in the order of the space.
func numbers(p space.Point) []float64 {
	var out []float64
	for _, s := range p.Settings() {
		x, _ := s.Value.Float()
		out = append(out, x)
	}
	return out
}

// branin has three least values, each 0.397887 (Dixon, Szegoe 1978).
func branin(p space.Point) []float64 {
	x := numbers(p)
	a := x[1] - 5.1/(4*math.Pi*math.Pi)*x[0]*x[0] + 5/math.Pi*x[0] - 6
	return []float64{a*a + 10*(1-1/(8*math.Pi))*math.Cos(x[0]) + 10}
}

// zdt returns ZDT1 or ZDT2 (Zitzler, Deb, Thiele 2000, Comparison of multiobjective evolutionary
// algorithms, section 4): h is the form of their front.
func zdt(h func(ratio float64) float64) func(space.Point) []float64 {
	return func(p space.Point) []float64 {
		x := numbers(p)
		g := 0.0
		for _, v := range x[1:] {
			g += v
		}
		g = 1 + 9*g/float64(len(x)-1)
		return []float64{x[0], g * h(x[0]/g)}
	}
}

const fiveFloats = "a: {float: [0, 1]}\nb: {float: [0, 1]}\nc: {float: [0, 1]}\nd: {float: [0, 1]}\ne: {float: [0, 1]}\n"

var functions = []struct {
	name   string
	space  string
	f      func(space.Point) []float64
	trials int
}{
	{"branin", "a: {float: [-5, 10]}\nb: {float: [0, 15]}\n", branin, 100},
	{"mixed", mixedSpace, func(p space.Point) []float64 { return []float64{mixed(p)} }, 100},
	{"zdt1", fiveFloats, zdt(func(r float64) float64 { return 1 - math.Sqrt(r) }), 150},
	{"zdt2", fiveFloats, zdt(func(r float64) float64 { return 1 - r*r }), 150},
}

// score runs a search and returns its least value, or with two objectives what its front leaves of
// the hypervolume up to (1.1, 7).
func score(t *testing.T, a Algorithm, s *space.Space, f func(space.Point) []float64, trials, lag int) float64 {
	t.Helper()
	p, err := NewPlanner(Plan{Space: s, Algorithm: a, Trials: trials, Lag: lag})
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]float64
	for {
		var tasks []Task // as many at a time as the lag allows
		for task, ok := p.Next(); ok; task, ok = p.Next() {
			tasks = append(tasks, task)
		}
		for _, task := range tasks {
			y := f(task.Point)
			rows = append(rows, y)
			p.Report(task.Trial, 0, y, 0)
		}
		if len(tasks) == 0 {
			break
		}
	}
	if len(rows) != trials {
		t.Fatalf("%d trials, want %d", len(rows), trials)
	}
	if len(rows[0]) == 1 {
		return slices.MinFunc(rows, slices.Compare)[0]
	}
	return 1.1*7 - pareto.Hypervolume(rows, []float64{1.1, 7})
}

// TestBetterThanRandom: on each function, over 20 seeds, TPE and evolution end below random search
// more often than chance would have it: a sign test at the level of 0.01. docs/search.md holds the
// medians.
func TestBetterThanRandom(t *testing.T) {
	const seeds = 20
	for _, tt := range functions {
		s := parseSpace(t, tt.space)
		of := map[string][]float64{}
		for seed := range uint64(seeds) {
			of["random"] = append(of["random"], score(t, NewRandom(s, seed+100), s, tt.f, tt.trials, 1))
			of["tpe"] = append(of["tpe"], score(t, NewTPE(s, seed), s, tt.f, tt.trials, 1))
			of["tpe, lag 8"] = append(of["tpe, lag 8"], score(t, NewTPE(s, seed), s, tt.f, tt.trials, 8))
			of["evolution"] = append(of["evolution"], score(t, NewEvolution(s, seed), s, tt.f, tt.trials, 1))
			of["evolution, lag 8"] = append(of["evolution, lag 8"], score(t, NewEvolution(s, seed), s, tt.f, tt.trials, 8))
		}
		t.Logf("%s, %d trials: random %.4f", tt.name, tt.trials, median(of["random"]))
		for _, name := range []string{"tpe", "tpe, lag 8", "evolution", "evolution, lag 8"} {
			wins := 0
			for i, x := range of[name] {
				if x < of["random"][i] {
					wins++
				}
			}
			chance := 1 - distuv.Binomial{N: seeds, P: 0.5}.CDF(float64(wins-1))
			t.Logf("%s, %d trials: %s %.4f, better for %d of %d seeds (p = %.1e)", tt.name, tt.trials, name, median(of[name]), wins, seeds, chance)
			if chance > 0.01 {
				t.Errorf("%s: %s is better than random search for %d of %d seeds only", tt.name, name, wins, seeds)
			}
		}
	}
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
