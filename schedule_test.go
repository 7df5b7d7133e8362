package permafrost_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// topDown thaws one more unit from the head down after every so many steps. What it has seen is its
// state.
type topDown struct {
	Units, Steps, Live int
	Seen               []bool // whether each question came with a gradient norm of the head
}

func newTopDown(arg string, run permafrost.ScheduleRun) (permafrost.Schedule, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("a number of steps is wanted, as in top-down:2")
	}
	return &topDown{Units: len(run.Units), Steps: n}, nil
}

func (s *topDown) Every() int                     { return s.Steps }
func (s *topDown) Measures() permafrost.Statistic { return permafrost.GradientNorm }
func (s *topDown) Rate(unit, step int) float64    { return 1 }

func (s *topDown) Next(m permafrost.Moment) (permafrost.Decision, bool) {
	if m.Values != nil {
		s.Seen = append(s.Seen, !math.IsNaN(m.Values[s.Units-1]) && m.Values[s.Units-1] > 0)
	}
	if s.Live == s.Units {
		return permafrost.Decision{}, false
	}
	s.Live++
	live := make([]bool, s.Units)
	for i := s.Units - s.Live; i < s.Units; i++ {
		live[i] = true
	}
	return permafrost.Decision{Live: live, Reason: "one unit more"}, true
}

func init() {
	if err := permafrost.RegisterSchedule("top-down", newTopDown); err != nil {
		panic(err)
	}
}

// TestRegisterSchedule: a caller's schedule decides what trains, and goes on from a checkpoint with
// its state.
func TestRegisterSchedule(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	at := func(out, schedule string) permafrost.Config {
		cfg := permafrost.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Out, cfg.Epochs, cfg.Batch, cfg.Schedule = model, photos, filepath.Join(dir, out), 3, 5, schedule
		return cfg
	}
	var reasons []string
	_, err := permafrost.Fit(t.Context(), at("whole", "top-down:3"), permafrost.OnEvent(func(e permafrost.Event) {
		if e, ok := e.(*permafrost.PlanChange); ok {
			reasons = append(reasons, fmt.Sprint(e.Step, " ", e.Reason))
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"0 one unit more", "3 one unit more", "6 one unit more"}; !slices.Equal(reasons, want) {
		t.Errorf("changes %q, want %q", reasons, want)
	}
	tr, err := permafrost.NewTrainer(t.Context(), at("broken", "top-down:3"))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := tr.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := permafrost.Resume(t.Context(), at("broken", "top-down:3")); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, dir, "whole", permafrost.ModelFile), read(t, dir, "broken", permafrost.ModelFile)) {
		t.Error("the resumed run ends in other bits")
	}
	var option *permafrost.OptionError
	if _, err := permafrost.Fit(t.Context(), at("bad", "top-down:x")); !errors.As(err, &option) || option.Option != "schedule" {
		t.Errorf("a bad argument: %v", err)
	}
	for _, name := range []string{"top-down", "lisa", "a b", ""} {
		if err := permafrost.RegisterSchedule(name, newTopDown); !errors.Is(err, permafrost.ErrBadInput) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
