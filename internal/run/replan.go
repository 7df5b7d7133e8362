package run

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// asks reports whether the schedule must be asked before the next optimiser step.
func (f *loop) asks() bool {
	return f.holder.plan != nil || f.session.stage.schedule != nil && f.st.Asked <= f.st.Step && f.st.Step%f.session.stage.schedule.Every() == 0
}

// reschedule asks the schedule, when it is time, what trains from the next step on, and switches to
// that.
func (f *loop) reschedule(ctx context.Context) error {
	if !f.asks() {
		return nil
	}
	if f.holder.plan != nil {
		return f.takePlan(ctx)
	}
	began, was := time.Now(), f.session.Plans.Now
	values, err := f.measure(ctx)
	if err != nil {
		return err
	}
	d, changed := f.session.stage.schedule.Next(schedule.Moment{Step: f.st.Step, LR: f.st.Schedule.At(f.st.Step), Values: values})
	f.st.Asked = f.st.Step + 1
	plan := f.session.Plans.Now
	if changed {
		f.session.stage.lasts, f.session.stage.reason = d.Steps, d.Reason
		plan = f.session.planOf(d)
	}
	if plan.Digest() == was.Digest() {
		f.mark(f.session.stage.schedule.Refer())
		return nil
	}
	return f.change(ctx, plan, began)
}

// change switches to another plan. began is when the change was considered.
func (f *loop) change(ctx context.Context, plan *freeze.Plan, began time.Time) error {
	was := f.session.Plans.Now
	if err := f.session.adopt(plan); err != nil {
		return err
	}
	f.mark(f.session.stage.schedule.Refer())
	f.st.Stage++
	if err := f.rebuild(ctx); err != nil {
		return err
	}
	e := f.planChange(was, plan)
	e.Seconds = time.Since(began).Seconds()
	f.events.Emit(e)
	return nil
}

// planChange describes the change from one plan to another, the current one, as an event.
func (f *loop) planChange(from, to *freeze.Plan) *report.PlanChange {
	e := &report.PlanChange{Epoch: f.st.Epoch + 1, Step: f.st.Step, Stage: f.st.Stage, Reason: f.session.stage.reason, Digest: to.Digest(), ParamsThawed: to.Thawed(f.session.Net.Set).Elements()}
	for _, w := range f.session.Net.Set.Weights {
		switch was, is := trains(from, w), trains(to, w); {
		case is && !was:
			e.Thawed = append(e.Thawed, w.Name)
		case was && !is:
			e.Frozen = append(e.Frozen, w.Name)
		}
	}
	// the first use of the frontier returns the error
	if _, frontier, err := f.session.Net.FrontierTypes(1); err == nil {
		e.Frontier = frontier
	}
	return e
}

func trains(p *freeze.Plan, w *freeze.Weight) bool {
	s := p.Of(w.Name).State
	return s == freeze.Thaw || s == freeze.Partly
}

// rebuild makes the network of the current plan and opens the encoders at its frontier. Frozen
// weights become constants with their current values. Values kept at the old frontier serve the new
// one if it lies after the old; then they are released.
func (f *loop) rebuild(ctx context.Context) error {
	f.session.Net = f.session.Net.With(f.session.Plans.Now)
	return f.encoders(ctx)
}

// pace sets the schedule's multiplier on the learning rate of each weight. At rate 0 a weight does
// not change.
func (f *loop) pace(slots []*optim.Slot) {
	if f.session.stage.schedule == nil {
		return
	}
	for _, s := range slots {
		r := f.session.stage.schedule.Rate(f.session.stage.unit[s.Name], f.st.Step)
		s.LR = f.session.active.rates[s.Name] * float32(r)
		if r == 0 {
			s.Grad = nil
		}
	}
}

// saveStage adds the schedule's position to a state that is about to be saved.
func (f *loop) saveStage(st *RunState) error {
	if f.session.stage.schedule == nil {
		return nil
	}
	st.Now, st.Ever = f.session.Plans.Now, f.session.Plans.Ever
	var err error
	st.FreezeSchedule, err = json.Marshal(f.session.stage.schedule)
	return err
}

// resumeStage makes the plan of a checkpoint the current one, and restores the schedule's reference
// from it. Weights and network come later.
func (f *loop) resumeStage(c *Checkpoint) error {
	st := &c.State
	byHand := f.session.stage.schedule == nil && st.Now != nil // its holder changed the plan
	if byHand {
		f.session.byHand()
	}
	if f.session.stage.schedule == nil {
		return nil
	}
	f.meter = &meter{kind: f.session.stage.schedule.Measures(), units: f.session.stage.units, marks: map[string]*tensor.Tensor{}}
	for name, t := range c.Tensors {
		if key, ok := strings.CutPrefix(name, marksPrefix); ok {
			f.meter.marks[key] = t
			delete(c.Tensors, name)
		}
	}
	if st.Now == nil || st.Ever == nil {
		return fmt.Errorf("the checkpoint holds no plan of its stage")
	}
	if err := json.Unmarshal(st.FreezeSchedule, f.session.stage.schedule); err != nil {
		return fmt.Errorf("the checkpoint's schedule: %w", err)
	}
	if byHand {
		f.session.onlyEver(st.Ever)
	}
	if err := f.session.adopt(st.Ever); err != nil { // what trained in any stage
		return err
	}
	return f.session.adopt(st.Now)
}

// brief reports whether the current plan lasts at most one epoch, so that values kept for it would
// never be reused.
func (f *loop) brief() bool {
	if f.session.stage.schedule == nil {
		return false
	}
	steps := f.session.stepsPerEpoch()
	left := steps*f.session.Config.Epochs - f.st.Step
	if f.session.stage.lasts > 0 {
		left = min(left, f.session.stage.lasts)
	}
	return left <= steps || f.resumed
}
