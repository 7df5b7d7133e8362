package trials

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// TestPrior: a prior changes the order of the trials that need no results and nothing else. The
// same search has the same scores; a rate far from the recipe's lowers them.
func TestPrior(t *testing.T) {
	found := func(s *Search) map[string]float64 {
		out := map[string]float64{}
		for _, e := range s.Record().Trials() {
			out[e.Point.String()] = e.Outcome.Score
		}
		return out
	}
	o := small(t, "thaw: [head, \"last:1\", all]\nlr: [1e-4, 1e-3, 1e-2]\n")
	o.Algorithm, o.Config.Epochs = "random", 1
	plain := searched(t, o)
	o.Config.Out += "2"
	o.Prior = true
	ordered := searched(t, o)
	if !maps.Equal(found(plain), found(ordered)) || len(found(plain)) != 9 {
		t.Errorf("found %v, with a prior %v", found(plain), found(ordered))
	}
	var scores []float64
	for _, e := range ordered.Record().Trials() {
		scores = append(scores, ordered.plan.Prior(e.Point))
	}
	if !slices.IsSortedFunc(scores, func(a, b float64) int { return int(100000 * (b - a)) }) {
		t.Errorf("the trials have the scores %v in their order", scores)
	}
	if !slices.ContainsFunc(ordered.Notes, func(n string) bool { return strings.Contains(n, "prior orders") }) {
		t.Errorf("no note on the prior: %q", ordered.Notes)
	}
	o.Config.Out += "3"
	again, err := New(t.Context(), o)
	must(t, err)
	if a, b := told(ordered), told(searched(t, o)); !reflect.DeepEqual(a, b) {
		t.Errorf("again %v, before %v", b, a)
	}
	at := func(lr float64) float64 {
		return again.plan.Prior(space.NewPoint(space.Setting{Name: "thaw", Value: space.Text("all")}, space.Setting{Name: "lr", Value: space.Number(lr)}))
	}
	if at(1e-3) <= at(1e-1) || at(1e-3) <= at(1e-6) {
		t.Errorf("scores %g, %g and %g at the rates 1e-6, 1e-3 and 0.1", at(1e-6), at(1e-3), at(1e-1))
	}
}
