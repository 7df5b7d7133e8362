package optim

import (
	"fmt"
	"math"
)

// LRSchedule gives the learning rate of every optimiser step.
//
// During the first w steps (warmup) the rate rises linearly: step s (from 0) has Base*(s+1)/w.
// After that, with progress p from 0 at the first step to just under 1 at the last:
//
//	cosine    Base * (1+cos(pi*p))/2
//	constant  Base
//	step      Base * Gamma**floor(p*Parts), equal parts of the run
type LRSchedule struct {
	Kind   string  `json:"kind"`            // "cosine", "constant" or "step"
	Base   float64 `json:"base"`            // the highest rate
	Steps  int     `json:"steps"`           // optimiser steps in the whole run, without those before First
	Warmup float64 `json:"warmup"`          // below 1: fraction of Steps; 1 or more: number of steps
	Gamma  float64 `json:"gamma,omitempty"` // factor of "step" at each drop; 0 means 0.1
	Parts  int     `json:"parts,omitempty"` // parts of "step"; 0 means 3
	First  int     `json:"first,omitempty"` // step at which the schedule begins, of a run that extends another
}

// Validate errors on an unknown kind and on numbers out of range.
func (s LRSchedule) Validate() error {
	switch {
	case s.Kind != "cosine" && s.Kind != "constant" && s.Kind != "step":
		return fmt.Errorf("lr-schedule %q is none of cosine, constant, step", s.Kind)
	case !(s.Base > 0) || math.IsInf(s.Base, 0):
		return fmt.Errorf("lr %g is not above 0", s.Base)
	case !(s.Warmup >= 0) || math.IsInf(s.Warmup, 0):
		return fmt.Errorf("warmup %g is below 0", s.Warmup)
	case s.Warmup >= 1 && s.Warmup != math.Trunc(s.Warmup):
		return fmt.Errorf("warmup %g is neither a fraction below 1 nor a whole number of steps", s.Warmup)
	}
	return nil
}

// WarmupSteps returns the number of warmup steps, at most Steps.
func (s LRSchedule) WarmupSteps() int {
	n := s.Warmup
	if n < 1 {
		n = math.Round(n * float64(s.Steps))
	}
	return int(min(n, float64(s.Steps)))
}

// At returns the rate of step i, counted from 0. Before the first step and after the last one the
// rate does not change.
func (s LRSchedule) At(i int) float64 {
	i = max(0, min(i-s.First, s.Steps-1))
	w := s.WarmupSteps()
	if i < w {
		return s.Base * float64(i+1) / float64(w)
	}
	p := float64(i-w) / float64(max(1, s.Steps-w))
	switch s.Kind {
	case "cosine":
		return s.Base * (1 + math.Cos(math.Pi*p)) / 2
	case "step":
		gamma, parts := s.Gamma, s.Parts
		if gamma == 0 {
			gamma = 0.1
		}
		if parts == 0 {
			parts = 3
		}
		return s.Base * math.Pow(gamma, math.Floor(p*float64(parts)))
	}
	return s.Base
}
