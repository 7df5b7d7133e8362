package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/calibrate"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Held is a fit that pauses between optimiser steps until its caller continues it. If the caller
// changes nothing, the result has the same bits as Session.Fit. The fit runs as a coroutine on the
// caller's thread, so use a Held from one goroutine at a time.
type Held struct {
	f      *loop
	next   func() (*report.StepEvent, bool)
	stop   func()
	cancel context.CancelFunc // of the fit
	result *Result
	err    error
	over   bool // the fit has ended
}

// Hold starts a fit like Session.Fit, or resumes one, and pauses before the first step. When ctx
// ends the fit saves a checkpoint and ends. Call Close to release it.
func (s *Session) Hold(ctx context.Context, dir *RunDir, resume bool, sinks ...report.Sink) (*Held, error) {
	h := &Held{}
	ctx, h.cancel = context.WithCancel(ctx)
	h.next, h.stop = iter.Pull(func(yield func(*report.StepEvent) bool) {
		left := false // the caller has left for good
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

// Step takes the next optimiser step. At the end of an epoch it also validates. It returns io.EOF
// when the fit is over and has a result. If ctx ends, the current step is completed, the fit saves
// a checkpoint and ends, and Step returns ctx's error.
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

// Finish ends the fit after the steps taken so far. It validates, writes the outputs of a fit, and
// returns the result. After the last epoch it returns the existing result.
func (h *Held) Finish(ctx context.Context) (*Result, error) {
	for !h.over {
		h.f.holder.enough = true
		if _, err := h.Step(ctx); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	return h.result, h.err
}

// Progress returns the optimiser steps taken, and those of an epoch and of the whole fit.
func (h *Held) Progress() (step, epoch, all int) {
	return h.f.st.Step, h.f.st.Steps, h.f.st.Steps * h.f.session.Config.Epochs
}

// Eval measures the current weights on the validation examples. At the end of the fit these are the
// selected weights.
func (h *Held) Eval(ctx context.Context) (*task.Metrics, error) {
	if h.over && h.result == nil {
		return nil, errOver
	}
	h.f.holder.disturbed = true
	return h.f.validate(ctx)
}

// Each returns the metrics of every validation example by itself at the last validation, if the
// session's MeasureEach asks for them. It is nil before the first.
func (h *Held) Each() []*task.Metrics { return h.f.each }

// Scores returns the logits of the validation examples at the last validation, if the session's
// MeasureEach asks for them and each example has one class. It is nil else.
func (h *Held) Scores() *calibrate.Scores { return h.f.scores }

// Save writes the tuned model with the current weights to a file.
func (h *Held) Save(path string) error {
	if h.over && h.result == nil {
		return errOver
	}
	return h.f.session.writeModel(path)
}

// Model returns the tuned model with the current weights, as the bytes of a file.
func (h *Held) Model() ([]byte, error) {
	if h.over && h.result == nil {
		return nil, errOver
	}
	patch, err := h.f.session.patch()
	if err != nil {
		return nil, err
	}
	return h.f.session.Base.Model.Bytes(patch)
}

// Replan trains only what the selectors name from the next step on. They choose from the plan with
// which the fit began. Replan takes the place of a schedule. It errors if the selectors name
// nothing in that plan.
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
		return option.Errorf("thaw", "%q names nothing of what may train in this run, which is %q", strings.Join(thaw, ","), strings.Join(s.Plans.Reach.Thaw, ","))
	}
	h.f.holder.plan = plan
	return nil
}

// Plan returns the plan of the next step.
func (h *Held) Plan() *freeze.Plan {
	if h.f.holder.plan != nil {
		return h.f.holder.plan
	}
	return h.f.session.Plans.Now
}

// Close ends the fit if it is still running. With a run folder it leaves a checkpoint from which
// the fit can resume.
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

// manual is the schedule of a run whose caller decides what trains. It is never asked.
type manual struct{}

func (manual) Every() int                                          { return math.MaxInt }
func (manual) Measures() schedule.Statistic                        { return schedule.Nothing }
func (manual) Next(schedule.Moment) (d schedule.Decision, ok bool) { return d, false }
func (manual) Rate(unit, step int) float64                         { return 1 }
func (manual) Refer() bool                                         { return false }

// byHand replaces a session's schedule with manual.
func (s *Session) byHand() {
	units, of := unitsOf(s.Net.Set, s.Plans.Reach)
	s.stage = stage{schedule: &manual{}, unit: of, units: len(units), reason: "asked for"}
}

// onlyEver sets the plan of everything that has trained so far. What it freezes is covered by the
// seal.
func (s *Session) onlyEver(plan *freeze.Plan) {
	s.Plans.Ever = plan
	s.digests = freeze.Digests(s.Net.Set, plan)
}

// pause hands control to the holder between two steps. e is the last step, nil before the first.
func (f *loop) pause(e *report.StepEvent) {
	if f.holder.pause != nil {
		f.holder.pause(f, e)
	}
}

// takePlan switches to the plan that a holder asked for.
func (f *loop) takePlan(ctx context.Context) error {
	was, plan := f.session.Plans.Now, f.holder.plan
	f.holder.plan = nil
	if plan.Digest() == was.Digest() {
		return nil
	}
	if f.st.Step == 0 { // nothing has trained, so what the plan freezes was never thawed
		f.session.onlyEver(plan)
	}
	f.session.byHand()
	f.st.Temperatures, f.session.temperature = nil, 1 // they were chosen for the plan that was
	f.meter = &meter{kind: schedule.Nothing, units: f.session.stage.units}
	f.st.Asked = max(1, f.st.Step+1)
	return f.change(ctx, plan, time.Now())
}

// writeModel writes the tuned model with the current weights.
func (s *Session) writeModel(path string) error {
	patch, err := s.patch()
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return s.Base.Model.WriteFile(path, patch)
}
