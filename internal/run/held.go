package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Held is a fit that stands between two optimiser steps until its caller lets it go on. Left alone
// it gives the bits of Session.Fit. The fit runs as a coroutine: on no thread but that of the
// caller, so a Held is for one goroutine at a time.
type Held struct {
	f      *loop
	next   func() (*report.StepEvent, bool)
	stop   func()
	cancel context.CancelFunc // of the fit
	result *Result
	err    error
	over   bool // the fit has ended
}

// Hold begins a fit as Session.Fit does, or with resume goes on with one, and stops before its
// first step. When ctx ends the fit ends too, with a checkpoint. Close lets go of it.
func (s *Session) Hold(ctx context.Context, dir *RunDir, resume bool, sinks ...report.Sink) (*Held, error) {
	h := &Held{}
	ctx, h.cancel = context.WithCancel(ctx)
	h.next, h.stop = iter.Pull(func(yield func(*report.StepEvent) bool) {
		left := false // by the caller, for good
		h.result, h.err = s.fit(ctx, dir, resume, func(f *loop, e *report.StepEvent) {
			h.f = f
			if !left && !yield(e) {
				left = true
				h.cancel()
			}
		}, sinks...)
	})
	if _, ok := h.next(); !ok {
		h.over = true
		return nil, errors.Join(h.err, h.Close())
	}
	return h, nil
}

// Step makes the next optimiser step and, at the end of an epoch, the validation that belongs to
// it. It returns io.EOF when the fit is over, and has a result. When ctx has ended the fit ends
// with a checkpoint, and the error is ctx's; a step that ctx ends in is made whole.
func (h *Held) Step(ctx context.Context) (*report.StepEvent, error) {
	if h.over {
		return nil, h.ended()
	}
	if ctx.Err() != nil {
		h.cancel()
	}
	stop := context.AfterFunc(ctx, h.cancel)
	defer stop()
	e, ok := h.next()
	if !ok {
		h.over = true
		if ctx.Err() != nil && h.err != nil {
			h.err = ctx.Err()
		}
		return nil, h.ended()
	}
	return e, nil
}

func (h *Held) ended() error {
	if h.err == nil {
		return io.EOF
	}
	return h.err
}

// Finish ends the fit after the steps that were made: it validates, writes what a fit writes, and
// returns the result. After the last epoch it returns the result that there is.
func (h *Held) Finish(ctx context.Context) (*Result, error) {
	for !h.over {
		h.f.holder.enough = true
		if _, err := h.Step(ctx); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	return h.result, h.err
}

// Eval measures the present weights, at the end those that are kept, on the validation examples.
func (h *Held) Eval(ctx context.Context) (*task.Metrics, error) {
	if h.over && h.result == nil {
		return nil, errOver
	}
	h.f.holder.disturbed = true
	return h.f.validate(ctx)
}

// Save writes the tuned model with the present weights to a file.
func (h *Held) Save(path string) error {
	if h.over && h.result == nil {
		return errOver
	}
	return h.f.session.writeModel(path)
}

// Model is the tuned model with the present weights, as the bytes of a file.
func (h *Held) Model() ([]byte, error) {
	if h.over && h.result == nil {
		return nil, errOver
	}
	patch, _, err := h.f.session.patch()
	if err != nil {
		return nil, err
	}
	return h.f.session.Base.Model.Bytes(patch)
}

// Replan makes what the selectors name train from the next step on, of what may train: the plan
// with which the fit began. It takes the place of a schedule. It errors on selectors that name
// nothing of it.
func (h *Held) Replan(thaw []string) error {
	if h.over {
		return errOver
	}
	s := h.f.session
	chosen, err := s.Net.Set.Select(thaw)
	if err != nil {
		return option.Errorf("thaw", "%w", err)
	}
	live := map[string]bool{}
	for _, w := range chosen {
		live[w.Name] = true
	}
	plan := s.Plans.Reach.Only(s.Net.Set, func(w *freeze.Weight) bool { return live[w.Name] })
	if plan.Thawed(s.Net.Set).Elements() == 0 {
		return option.Errorf("thaw", "none of %q is among what may train in this run: %q", thaw, s.Plans.Reach.Thaw)
	}
	h.f.holder.plan = plan
	return nil
}

// Plan is the plan of the next step.
func (h *Held) Plan() *freeze.Plan {
	if h.f.holder.plan != nil {
		return h.f.holder.plan
	}
	return h.f.session.Plans.Now
}

// Close ends the fit if it has not ended. With a run folder a checkpoint is left, from which it can
// go on.
func (h *Held) Close() error {
	h.stop()
	h.cancel()
	over := h.over
	h.over = true
	if over || h.err == nil || errors.Is(h.err, context.Canceled) {
		if h.err == nil && h.result == nil || errors.Is(h.err, context.Canceled) {
			h.err = errOver
		}
		return nil
	}
	return h.err
}

var errOver = errors.New("the training is over")

// manual is the schedule of a run whose caller decides. It is never asked.
type manual struct{}

func (manual) Every() int                                          { return math.MaxInt }
func (manual) Measures() schedule.Statistic                        { return schedule.Nothing }
func (manual) Next(schedule.Moment) (d schedule.Decision, ok bool) { return d, false }
func (manual) Rate(unit, step int) float64                         { return 1 }
func (manual) Refer() bool                                         { return false }

// byHand puts manual in the place of a session's schedule.
func (s *Session) byHand() {
	units, of := unitsOf(s.Net.Set, s.Plans.Reach)
	s.stage = stage{schedule: &manual{}, unit: of, units: len(units), reason: "asked for"}
}

// onlyEver makes plan that of all that has trained so far: what it freezes belongs to the seal.
func (s *Session) onlyEver(plan *freeze.Plan) {
	s.Plans.Ever = plan
	s.digests = freeze.Digests(s.Net.Set, plan)
}

// pause hands a fit to its holder, between two steps; e is the last one, nil before the first.
func (f *loop) pause(e *report.StepEvent) {
	if f.holder.pause != nil {
		f.holder.pause(f, e)
	}
}

// takePlan makes the plan that a holder asked for the present one.
func (f *loop) takePlan(ctx context.Context) error {
	was, plan := f.session.Plans.Now, f.holder.plan
	f.holder.plan = nil
	if plan.Digest() == was.Digest() {
		return nil
	}
	if f.st.Step == 0 { // nothing has trained: what the plan freezes was never thawed
		f.session.onlyEver(plan)
	}
	f.session.byHand()
	f.meter = &meter{kind: schedule.Nothing, units: f.session.stage.units}
	f.st.Asked = max(1, f.st.Step+1)
	return f.change(ctx, plan, time.Now())
}

// writeModel writes the tuned model with the present weights.
func (s *Session) writeModel(path string) error {
	patch, _, err := s.patch()
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return s.Base.Model.WriteFile(path, patch)
}
