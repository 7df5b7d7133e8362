package search

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/search/pareto"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// State says what is known of a trial.
type State uint8

// The states of a trial.
const (
	Running State = iota // nothing is known yet, or may be known yet
	Done                 // Values holds the result
	Failed               // it ended without a result, or broke a limit
)

// Result is what is known of one trial.
type Result struct {
	Trial  int // number of the trial
	Point  space.Point
	State  State
	Rung   int       // the rung that Values comes from, 0 where there are no rungs
	Values []float64 // of each objective, all to be made small; negate what should be large
	Loss   float64   // with one objective, the smaller one decides between equal values
}

// order returns the places of the best n results, all of them Done, best first. On few held-out
// examples many trials have the same accuracy; the loss, which is finer, tells these apart.
func order(results []Result, n int) []int {
	if len(results) == 0 || len(results[0].Values) > 1 {
		return pareto.Order(values(results), n)
	}
	out := make([]int, len(results))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(i, j int) int {
		a, b := &results[i], &results[j]
		return cmp.Or(cmp.Compare(a.Values[0], b.Values[0]), cmp.Compare(a.Loss, b.Loss))
	})
	return out[:min(n, len(out))]
}

// inOrder returns the results by the number of their trial.
func inOrder(seen []Result) []Result {
	byTrial := func(a, b Result) int { return cmp.Compare(a.Trial, b.Trial) }
	if slices.IsSortedFunc(seen, byTrial) {
		return seen
	}
	seen = slices.Clone(seen)
	slices.SortStableFunc(seen, byTrial)
	return seen
}

// finished counts the results that are Done.
func finished(seen []Result) int {
	n := 0
	for _, r := range seen {
		if r.State == Done {
			n++
		}
	}
	return n
}

// Best returns the best n of the results that are Done, best first. A result of a higher rung comes
// before one of a lower rung, since only the better trials get there; within a rung the smaller
// value comes first and of equal ones the smaller loss, or with several objectives the better front
// and on it the emptier surroundings.
func Best(results []Result, n int) []Result {
	var out []Result
	for rung := highest(results); rung >= 0 && len(out) < n; rung-- {
		on := onRung(results, rung)
		for _, i := range order(on, n-len(out)) {
			out = append(out, on[i])
		}
	}
	return out
}

// highest is the highest rung that has a result, -1 where none is Done.
func highest(results []Result) int {
	top := -1
	for _, r := range results {
		if r.State == Done {
			top = max(top, r.Rung)
		}
	}
	return top
}

// onRung lists the results that are Done and come from a rung.
func onRung(results []Result, rung int) []Result {
	n := 0
	for _, r := range results {
		if r.State == Done && r.Rung == rung {
			n++
		}
	}
	out := make([]Result, 0, n)
	for _, r := range results {
		if r.State == Done && r.Rung == rung {
			out = append(out, r)
		}
	}
	return out
}

func values(results []Result) [][]float64 {
	rows := make([][]float64, len(results))
	for i, r := range results {
		rows[i] = r.Values
	}
	return rows
}
