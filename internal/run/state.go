package run

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// RunState is the position of a run, without its tensors. There is no random state: random numbers
// are derived from (seed, epoch, example).
type RunState struct {
	Identity Identity        `json:"identity"`
	Config   config.Config   `json:"config"`
	Plan     json.RawMessage `json:"plan,omitempty"` // of everything that may train in any stage

	// finished epochs, which is also the index of the epoch to continue with
	Epoch     int `json:"epoch"`
	EpochStep int `json:"epoch_step"` // optimiser steps taken in that epoch
	// optimiser steps taken in the run: the schedule's position
	Step int `json:"step"`
	// how often the schedule has changed what trains
	Stage    int              `json:"stage"`
	Steps    int              `json:"steps_in_epoch"` // optimiser steps in an epoch
	Schedule optim.LRSchedule `json:"lr_schedule"`    // of the learning rate
	// training metrics so far of the epoch to continue with
	Partial *task.Metrics       `json:"partial,omitempty"`
	Best    Best                `json:"best"`              // the best epoch, and when to give up
	History []report.EpochEvent `json:"history,omitempty"` // of the finished epochs
	Seconds float64             `json:"seconds"`           // spent so far
	// by which scores are divided, by epoch; none: they stay as trained
	Temperatures []float64 `json:"temperatures,omitempty"`
	// lm: the metric and the loss of the pretrained model
	Before     *task.Named `json:"before,omitempty"`
	BeforeLoss float64     `json:"before_loss,omitempty"`
	Version    string      `json:"version,omitempty"` // of permafrost

	Rates map[string]float64 `json:"rates,omitempty"` // of auto-rgn, by weight name
	// how often the weights were added to their average
	Averaged int `json:"averaged,omitempty"`
	// of a run that extends another: where its learning rates began again
	Extended *Extended `json:"extended,omitempty"`

	Asked int `json:"asked,omitempty"` // 1 + the step at which the schedule was last asked
	// with a schedule: what trains at present
	Now            *freeze.Plan    `json:"plan_now,omitempty"`
	Ever           *freeze.Plan    `json:"plan_ever,omitempty"`       // and what has trained in any stage so far
	FreezeSchedule json.RawMessage `json:"freeze_schedule,omitempty"` // the schedule's state
}

// Identity holds digests of what a run depends on.
type Identity struct {
	Model string `json:"model"` // the pretrained model's file
	Data  string `json:"data"`  // training examples and their preparation
	Val   string `json:"val"`   // validation examples
	Plan  string `json:"plan"`  // what is frozen in all stages
}

// Match errors unless the checkpoint belongs to a run with these options, model, data and plan. The
// error says what differs. Threads, cache and paths may differ, as results do not depend on them.
func (s *RunState) Match(id Identity, c *config.Config) error {
	diff := s.Config.Differences(c)
	same := *s
	if len(diff) > 0 { // which explain another plan
		same.Identity.Plan = id.Plan
	}
	if err := same.sameSources(id); err != nil {
		return err
	}
	if len(diff) == 0 {
		return nil
	}
	text := strings.Join(diff, "; ")
	if slices.ContainsFunc(diff, func(d string) bool { return strings.HasPrefix(d, "epochs ") }) {
		text += "; option extend goes on from the end of a run for more epochs, as a new run"
	}
	return fmt.Errorf("the checkpoint was made with other options: %s", text)
}

// sameSources errors unless the checkpoint is of the same model, data and plan.
func (s *RunState) sameSources(id Identity) error {
	for _, d := range []struct{ what, then, now string }{
		{"model", s.Identity.Model, id.Model},
		{"training data", s.Identity.Data, id.Data},
		{"validation data", s.Identity.Val, id.Val},
		{"plan", s.Identity.Plan, id.Plan},
	} {
		if d.then != d.now {
			return fmt.Errorf("the checkpoint belongs to another %s (digest %s, here %s)", d.what, shortDigest(d.then), shortDigest(d.now))
		}
	}
	return nil
}

// shortDigest is the start of a digest, long enough to tell two apart.
func shortDigest(digest string) string {
	if _, hex, ok := strings.Cut(digest, ":"); ok {
		digest = hex
	}
	return digest[:min(12, len(digest))]
}
