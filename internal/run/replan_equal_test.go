package run

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// After blocks at the front are frozen in the middle of a run, it goes on with the bits of a run
// whose plan has them frozen from the start, given the same weights and optimiser state; and what
// is frozen stands still, running statistics too.
func TestReplanIsAFreshStart(t *testing.T) {
	ctx := context.Background()
	start := func(edit func(*config.Config)) *loop {
		cfg := tinyConfig(t)
		cfg.Thaw, cfg.Epochs, cfg.LR = []string{"all"}, 3, 0.01
		edit(&cfg)
		s, err := Prepare(ctx, cfg)
		must(t, err)
		return &loop{session: s, events: report.NewEvents()}
	}
	epoch := func(f *loop) []report.Number {
		h := &history{}
		f.events = report.NewEvents(h)
		steps := f.session.stepsPerEpoch()
		f.st.Schedule = f.session.Config.LRs(steps * f.session.Config.Epochs)
		must(t, f.epoch(ctx, f.st.Schedule, steps))
		return h.losses()
	}
	a := start(func(c *config.Config) { c.Schedule = "autofreeze" })
	a.session.stage.schedule = nil // the test decides
	must(t, a.encoders(ctx))
	must(t, a.standardiseHead(ctx))
	epoch(a)
	must(t, a.session.adopt(a.session.planOf(schedule.Decision{Live: []bool{false, false, true, true}})))

	b := start(func(c *config.Config) { c.Thaw, c.Freeze = []string{"layer2.*", "head"}, nil })
	if a.session.Plans.Now.Digest() != b.session.Plans.Ever.Digest() {
		t.Fatal("the plans differ")
	}
	b.session.Net.Norm, b.st.Epoch, b.st.Step = a.session.Net.Norm, a.st.Epoch, a.st.Step
	for _, w := range b.session.Net.Set.Weights {
		now := a.session.Net.Set.ByName(w.Name).Value.Data
		if b.session.Plans.Ever.Live(w.Name) {
			copy(w.Value.Data.Bytes, now.Bytes)
		} else {
			w.Value.Data = now.Clone()
		}
	}
	state := maps.Clone(a.session.active.Opt.State())
	must(t, b.session.active.Opt.SetState(state))
	must(t, b.encoders(ctx))

	before := map[string]*tensor.Tensor{}
	for _, w := range a.session.Net.Set.Weights {
		if !a.session.Plans.Now.Live(w.Name) {
			before[w.Name] = w.Value.Data.Clone()
		}
	}
	must(t, a.rebuild(ctx))
	if x, y := epoch(a), epoch(b); len(x) == 0 || !slices.Equal(x, y) {
		t.Errorf("losses %v, from a fresh start %v", x, y)
	}
	for name, w := range before {
		if !bytes.Equal(w.Bytes, a.session.Net.Set.ByName(name).Value.Data.Bytes) {
			t.Errorf("%s is frozen and moved", name)
		}
	}
	if len(before) == 0 || a.session.active.Opt.Has("conv1.weight") || before["bn1.running_mean"] == nil {
		t.Errorf("frozen: %v", slices.Sorted(maps.Keys(before)))
	}
}

// Schedules work for texts, next tokens and sounds, whose examples have lengths of their own, and
// resume there too.
func TestSchedulesOfLengths(t *testing.T) {
	for name, make := range map[string]func(*testing.T) config.Config{
		"texts":  func(t *testing.T) config.Config { return textConfig(t, true) },
		"sounds": func(t *testing.T) config.Config { return waveConfig(t) },
		"tokens": lmConfig,
	} {
		for _, kind := range []string{"gradual", "autofreeze", "egeria:0.9"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				whole := make(t)
				whole.Thaw, whole.Schedule, whole.Epochs, whole.LR, whole.Keep, whole.Out = []string{"all"}, kind, 3, 0.002, "last", t.TempDir()
				_, h := run(t, whole)
				v, err := tuned.Verify(whole.Model, filepath.Join(whole.Out, ModelFile), "")
				if err != nil || !v.Identical {
					t.Errorf("verify: %+v (%v)", v, err)
				}
				cfg := whole
				cfg.Out = t.TempDir()
				after := len(h.steps) * 2 / 3
				ctx, cancel := context.WithCancel(context.Background())
				_, err = fit(t, ctx, cfg, false, &stopper{after, cancel})
				cancel()
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if _, err := fit(t, context.Background(), cfg, true); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(read(t, whole.Out, ModelFile), read(t, cfg.Out, ModelFile)) {
					t.Errorf("resumed after %d of %d steps: other bits", after, len(h.steps))
				}
			})
		}
	}
}
