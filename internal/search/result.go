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
// value comes first, or with several objectives the better front and on it the emptier
// surroundings.
func Best(results []Result, n int) []Result {
	var out []Result
	for _, rung := range byRung(results) {
		for _, i := range pareto.Order(values(rung), n-len(out)) {
			out = append(out, rung[i])
		}
	}
	return out
}

// byRung parts the results that are Done by their rung, the highest first.
func byRung(results []Result) [][]Result {
	var out [][]Result
	for _, r := range results {
		if r.State != Done {
			continue
		}
		for len(out) <= r.Rung {
			out = append(out, nil)
		}
		out[r.Rung] = append(out[r.Rung], r)
	}
	slices.Reverse(out)
	return out
}

func values(results []Result) [][]float64 {
	rows := make([][]float64, len(results))
	for i, r := range results {
		rows[i] = r.Values
	}
	return rows
}
