package run

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// history keeps what a run says of its plans and losses.
type history struct {
	changes []report.PlanChange
	steps   []report.StepEvent
	caches  []report.CacheEvent
}

func (h *history) Emit(_ time.Time, e report.Event) {
	switch e := e.(type) {
	case *report.PlanChange:
		h.changes = append(h.changes, *e)
	case *report.StepEvent:
		h.steps = append(h.steps, *e)
	case *report.CacheEvent:
		h.caches = append(h.caches, *e)
	}
}

// losses are the losses of the optimiser steps.
func (h *history) losses() []report.Number {
	var out []report.Number
	for _, s := range h.steps {
		out = append(out, s.Loss)
	}
	return out
}

// scheduled is a short fit of the tiny model under a schedule: six epochs of five steps.
func scheduled(t testing.TB, name string) config.Config {
	cfg := tinyConfig(t)
	cfg.Schedule, cfg.Epochs, cfg.LR, cfg.Keep = name, 6, 0.01, "last"
	cfg.Out = t.TempDir()
	return cfg
}

func run(t testing.TB, cfg config.Config) (*Result, *history) {
	t.Helper()
	h := &history{}
	r, err := fit(t, context.Background(), cfg, false, h)
	if err != nil {
		t.Fatal(err)
	}
	return r, h
}

// The schedules under which the tests below run, in forms that change the plan of a short run
// often.
var schedules = []string{"gradual", "lpft:2", "autofreeze", "freezeout:0.5", "egeria:0.9", "slimfit:0.3", "lisa:1", "badam:4"}

// Every schedule changes the plan, leaves the weights that it never thawed alone, and writes files
// that prove it.
func TestSchedulesChangePlans(t *testing.T) {
	for _, name := range schedules {
		t.Run(name, func(t *testing.T) {
			cfg := scheduled(t, name)
			r, h := run(t, cfg)
			if len(h.changes) < 2 {
				t.Fatalf("%d plans", len(h.changes))
			}
			for i, c := range h.changes {
				if c.Stage != i || c.Reason == "" || c.ParamsThawed == 0 || i > 0 && len(c.Thawed)+len(c.Frozen) == 0 {
					t.Errorf("change %d: %+v", i, c)
				}
			}
			if r.FrozenDigestBefore != r.FrozenDigestAfter {
				t.Error("the frozen digest changed")
			}
			for _, plan := range []string{"", filepath.Join(cfg.Out, PlanFile)} {
				if v, err := tuned.Verify(cfg.Model, filepath.Join(cfg.Out, ModelFile), plan); err != nil || !v.Identical {
					t.Errorf("verify: %+v (%v)", v, err)
				}
			}
			p, err := tuned.Open(filepath.Join(cfg.Out, ModelFile))
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Eval(context.Background(), cfg.Data)
			if err != nil || e.Accuracy != r.ValAccuracy {
				t.Errorf("the tuned file has accuracy %g, the fit said %g (%v)", e.Accuracy, r.ValAccuracy, err)
			}
		})
	}
}

// A run that is interrupted in the middle of its schedule and resumed ends in the bits of an
// unbroken one.
func TestSchedulesResume(t *testing.T) {
	for _, name := range schedules {
		t.Run(name, func(t *testing.T) {
			whole := scheduled(t, name)
			want, h := run(t, whole)
			for _, after := range []int{4, 10, 13, 22} {
				cfg := whole
				cfg.Out = t.TempDir()
				ctx, cancel := context.WithCancel(context.Background())
				_, err := fit(t, ctx, cfg, false, &stopper{after, cancel})
				cancel()
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("stopped after %d steps: %v", after, err)
				}
				rest := &history{}
				got, err := fit(t, context.Background(), cfg, true, rest)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(rest.losses(), h.losses()[after:]) {
					t.Errorf("resumed after %d steps: other losses", after)
				}
				if !bytes.Equal(read(t, whole.Out, ModelFile), read(t, cfg.Out, ModelFile)) {
					t.Errorf("resumed after %d steps: other bits than the unbroken run", after)
				}
				if got.Plan.Digest() != want.Plan.Digest() || got.FrozenDigestAfter != want.FrozenDigestAfter || !bytes.Equal(read(t, whole.Out, PlanFile), read(t, cfg.Out, PlanFile)) {
					t.Errorf("resumed after %d steps: another plan", after)
				}
			}
		})
	}
}

// A fit whose schedule trains everything from the first step to the last gives the bits of one
// without a schedule.
func TestScheduleWithoutChange(t *testing.T) {
	cfg := scheduled(t, "gradual")
	cfg.Epochs = 1
	_, h := run(t, cfg)
	if len(h.changes) != 1 || len(h.changes[0].Frozen) != 0 {
		t.Fatalf("changes %+v", h.changes)
	}
	plain := cfg
	plain.Schedule, plain.Thaw, plain.Out = "", []string{"all"}, t.TempDir()
	_, p := run(t, plain)
	if !slices.Equal(h.losses(), p.losses()) {
		t.Error("the schedule changed the losses")
	}
	a, b := trained(t, cfg.Out), trained(t, plain.Out)
	if !bytes.Equal(a, b) {
		t.Error("the schedule changed the weights")
	}
}

// Weights that were thawed after the best epoch have their pretrained values in the kept model.
func TestKeepBestOfAnEarlierPlan(t *testing.T) {
	cfg := scheduled(t, "gradual")
	cfg.Keep, cfg.LR, cfg.Optimizer, cfg.Clip, cfg.BatchNorm = "best", 3, "sgd", 1, "frozen" // the deeper it thaws, the worse
	r, h := run(t, cfg)
	if r.BestEpoch >= h.changes[len(h.changes)-1].Epoch {
		t.Skipf("the best epoch, %d, has the last plan", r.BestEpoch)
	}
	p, err := tuned.Open(filepath.Join(cfg.Out, ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Eval(context.Background(), cfg.Data)
	if err != nil || e.Accuracy != r.ValAccuracy {
		t.Errorf("the tuned file has accuracy %g, the best epoch %g (%v)", e.Accuracy, r.ValAccuracy, err)
	}
	v, err := tuned.Verify(cfg.Model, filepath.Join(cfg.Out, ModelFile), "")
	if err != nil || !v.Identical || slices.Contains(v.Thawed, "conv1.weight") {
		t.Errorf("verify: %+v (%v)", v, err)
	}
}

// What is frozen after it was trained is kept in memory alone: no other run could use it.
func TestTrainedAndFrozenLeavesNoFiles(t *testing.T) {
	dir := ownCache(t)
	cfg := scheduled(t, "gradual")
	cfg.Cache = "disk"
	s, err := Prepare(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]bool, 4)
	for i := range all {
		all[i] = true
	}
	front := slices.Clone(all)
	front[0], front[1] = false, false
	f := &loop{session: s, events: report.NewEvents(), st: RunState{Epoch: 1}}
	if err := f.encoders(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := f.session.adopt(f.session.planOf(schedule.Decision{Live: all})); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir, "*.pack")
	if err := f.session.adopt(f.session.planOf(schedule.Decision{Live: front})); err != nil {
		t.Fatal(err)
	}
	h := &history{}
	f.events.Subscribe(h)
	f.session.stage.lasts = 0
	if err := f.rebuild(context.Background()); err != nil {
		t.Fatal(err)
	}
	if e := h.caches[0]; e.Where != "ram" || e.Misses != 96 {
		t.Errorf("%+v", e)
	}
	if after := files(t, dir, "*.pack"); !slices.Equal(before, after) {
		t.Errorf("files %v, before %v", after, before)
	}
	front[2] = false // freezes further: what was kept serves
	if err := f.session.adopt(f.session.planOf(schedule.Decision{Live: front})); err != nil {
		t.Fatal(err)
	}
	if err := f.rebuild(context.Background()); err != nil {
		t.Fatal(err)
	}
	if e := h.caches[1]; e.Near != 96 || e.Misses != 0 {
		t.Errorf("%+v", e)
	}
}
