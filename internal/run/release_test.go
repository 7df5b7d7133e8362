package run

import (
	"slices"
	"testing"
)

// TestRelease: a released session has nothing compiled and no optimiser states, its weights are as they
// were, and it measures the same.
func TestRelease(t *testing.T) {
	s, err := Prepare(t.Context(), tinyConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fit(t.Context(), nil, false); err != nil {
		t.Fatal(err)
	}
	weights := map[string][]float32{}
	for _, w := range s.Net.Set.Weights {
		weights[w.Name] = slices.Clone(w.Value.Data.F32())
	}
	compiled, err := s.Net.Eval(3)
	if err != nil {
		t.Fatal(err)
	}
	if s.active.Opt.StateCount() > 0 && len(s.active.Opt.State()) == 0 {
		t.Fatal("the fit left no optimiser states that could be released")
	}
	s.Release()
	if n := len(s.active.Opt.State()); n > 0 {
		t.Errorf("%d optimiser states are left", n)
	}
	again, err := s.Net.Eval(3)
	if err != nil {
		t.Fatal(err)
	}
	if again == compiled {
		t.Error("a program is left")
	}
	for _, w := range s.Net.Set.Weights {
		if !slices.Equal(w.Value.Data.F32(), weights[w.Name]) {
			t.Errorf("%s changed", w.Name)
		}
	}
}
