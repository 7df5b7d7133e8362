package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Result is what a fit achieved; its JSON form is what fit --json prints.
type Result struct {
	ValAccuracy        float64      `json:"val_accuracy"`
	ValLoss            float64      `json:"val_loss"`
	TrainAccuracy      float64      `json:"train_accuracy"`
	TrainLoss          float64      `json:"train_loss"`
	Seconds            float64      `json:"seconds"`
	Epochs             int          `json:"epochs"`
	Examples           int          `json:"examples"`
	ParamsTotal        int          `json:"params_total"`
	ParamsThawed       int          `json:"params_thawed"`
	FrozenDigestBefore string       `json:"frozen_digest_before"`
	FrozenDigestAfter  string       `json:"frozen_digest_after"`
	CacheBytes         int64        `json:"cache_bytes"`
	PeakRSS            int64        `json:"peak_rss_bytes"`
	Plan               *freeze.Plan `json:"plan"`
	Out                string       `json:"out"`
	EpochSeconds       []float64    `json:"epoch_seconds"`

	Auto any `json:"auto,omitempty"` // what chose the plan, where the user did not

	ValMetric   *task.Named `json:"val_metric,omitempty"`        // of tasks other than classify
	ValBefore   *task.Named `json:"val_metric_before,omitempty"` // the same of the model as it came, where its own head trains
	TrainMetric *task.Named `json:"train_metric,omitempty"`

	Diagnosis *report.Diagnosis `json:"diagnosis,omitempty"`

	MacroF1   float64   `json:"macro_f1"`
	BestEpoch int       `json:"best_epoch"`
	Confusion [][]int64 `json:"confusion"`
	Classes   []string  `json:"classes,omitempty"`
	Val       *Metrics  `json:"-"`

	// Each is the metrics of every validation example by itself at the last epoch, where the session asked for it.
	Each []*Metrics `json:"-"`
}

// MarshalJSON leaves out what only classify has where the task is another.
func (r *Result) MarshalJSON() ([]byte, error) {
	type plain Result
	if r.ValMetric == nil {
		return json.Marshal((*plain)(r))
	}
	return json.Marshal(struct {
		*plain
		ValAccuracy   *float64 `json:"val_accuracy,omitempty"`
		TrainAccuracy *float64 `json:"train_accuracy,omitempty"`
		MacroF1       *float64 `json:"macro_f1,omitempty"`
		Confusion     *int     `json:"confusion,omitempty"`
	}{plain: (*plain)(r)})
}

// loop is a fit under way.
type loop struct {
	session *Session
	events  *report.Events
	dir     *RunDir // nil for a fit that leaves nothing on the disk
	st      RunState
	best    map[string]*tensor.Tensor // what a checkpoint holds of the weights at the best epoch
	unsaved bool                      // best is newer than the file
	each    []*Metrics                // of validation examples, see Result.Each
	cached  int64                     // bytes of frozen values that are kept
	saved   time.Time                 // when the last checkpoint was written
	cost    time.Duration             // how long that took
	began   time.Time
	average *optim.Average // nil: the weights as they are
	watch   watch
	final   *Metrics // validation of what is written, where that is not what an epoch validated

	hold      func(*loop, *report.StepEvent) // who holds the fit between steps, see Held; nil: nobody
	replan    *freeze.Plan                   // what the holder wants to train from the next step on; nil: no change
	disturbed bool                           // the holder ran programs of the network: batches begun are begun again
	enough    bool                           // the holder wants no further step

	frontier *keep.Encoders // the examples where the frozen region ends
	meter    *meter         // what the schedule wants to know; nil before training, and without a schedule
	resuming bool           // the run stands where it began, and a checkpoint is about to be put back
}

// fit trains until the epochs are over, patience ends or ctx is done, and leaves the kept weights in
// place. When ctx ends it saves first and returns ctx's error.
func (f *loop) fit(ctx context.Context, resume bool) error {
	f.began, f.saved, f.resuming = time.Now(), time.Now(), resume
	average, err := optim.NewAverage(f.session.Config.Average, f.session.Config.Epochs)
	if err != nil {
		return err
	}
	f.average = average
	if err := f.encoders(ctx); err != nil {
		return err
	}
	if err := f.standardiseHead(ctx); err != nil {
		return err
	}
	if resume { // after standardising, which measures the pretrained weights
		if err := f.resume(); err != nil {
			return err
		}
		f.resuming = false
		if f.session.stage.schedule != nil {
			if err := f.rebuild(ctx); err != nil {
				return err
			}
		}
	} else if err := f.probeHead(ctx); err != nil {
		return err
	}
	if err := f.measureRates(ctx); err != nil {
		return err
	}
	steps := stepsPerEpoch(f.session.Train, f.session.Config.Batch, f.session.Config.Accumulate)
	rates := f.session.Config.LRs(steps * f.session.Config.Epochs)
	f.st.Steps, f.st.Schedule, f.st.Asked = steps, rates, max(1, f.st.Asked)
	if f.session.stage.schedule != nil && f.meter == nil {
		if err := f.newMeter(ctx); err != nil {
			return err
		}
	}
	options, err := json.Marshal(f.session.Config)
	if err != nil {
		return err
	}
	f.events.Emit(&report.RunStart{Version: version.Version, Model: f.session.Config.Model, Data: f.session.Config.Data, Config: options, Epochs: f.session.Config.Epochs,
		Steps: steps * f.session.Config.Epochs, Threads: kernel.Threads(), Resumed: resume, Epoch: f.st.Epoch, Step: f.st.Step})
	if task.KindOf(f.session.Task).KeepsHead && f.st.Step == 0 {
		m, err := f.validate(ctx)
		if err != nil {
			return err
		}
		f.st.Before = m.Named()
		f.events.Emit(&report.Warning{Message: fmt.Sprintf("before training: %s on validation", report.MetricText(f.st.Before, 0))})
	}
	f.pause(nil)
	for f.st.Epoch < f.session.Config.Epochs && !f.enough && !f.st.Best.Stop(f.session.Config.Patience) {
		if err := f.epoch(ctx, rates, steps); err != nil {
			var diverged *DivergedError
			if errors.As(err, &diverged) && f.dir != nil {
				if serr := f.saveBest(); serr != nil {
					return fmt.Errorf("%w; the best weights could not be written: %w", err, serr)
				}
				diverged.Kept = f.kept()
			} else if ctx.Err() != nil {
				if serr := f.save(); serr != nil {
					return fmt.Errorf("interrupted, and the checkpoint could not be written: %w", serr)
				}
			}
			return err
		}
	}
	if err := f.save(); err != nil {
		return err
	}
	return f.settle(ctx)
}

func stepsPerEpoch(d *data.Dataset, batch, accumulate int) int {
	return (d.Batches(batch) + accumulate - 1) / accumulate
}

// standardiseHead measures the features that a fresh head reads and makes it read them standardised.
func (f *loop) standardiseHead(ctx context.Context) error {
	if !f.session.Headed.Fresh || f.session.Net.Norm != nil {
		return nil
	}
	var m split.Moments
	for b, err := range f.frontier.Train.Batches(ctx, f.session.Train.Groups(data.FileOrder(f.session.Train.Len()), f.session.Config.Batch), data.Plain) {
		if err != nil {
			return err
		}
		p, err := f.session.Net.At(b.Length).Features(len(b.Indices))
		if err != nil {
			return err
		}
		out, err := p.Run(ctx, b.Values...)
		if err != nil {
			return err
		}
		b.Unpadded(out[0].F32(), f.session.Headed.Features, func(x []float32) { m.Add(x, f.session.Headed.Features) })
	}
	f.session.Net.Norm = m.Standard()
	f.session.Net.ReleaseFeatures()
	return nil
}

// epoch trains on every example once, from where the state says, and validates. It stops for ctx only
// between optimiser steps, where a run can go on.
func (f *loop) epoch(ctx context.Context, rates optim.LRSchedule, steps int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	whole := context.WithoutCancel(ctx)
	f.events.Emit(&report.EpochStart{Epoch: f.st.Epoch, Steps: steps})
	if f.st.Partial == nil {
		f.st.Partial = f.session.Task.NewMetrics()
	}
	groups := f.session.Train.Groups(random.Permutation(f.session.Config.Seed, f.st.Epoch, f.session.Train.Len()), f.session.Config.Batch)
	done := min(f.st.EpochStep*f.session.Config.Accumulate, len(groups))
	stepBegan, stepLoss, stepMetrics := time.Now(), 0.0, f.session.Task.NewMetrics()
	lr := rates.At(max(f.st.Step-1, 0))
	for done < len(groups) {
		if err := f.reschedule(ctx); err != nil {
			return err
		}
		var sum gradSum
		for b, err := range f.frontier.Train.Batches(whole, groups[done:], f.st.Epoch) {
			if err != nil {
				return err
			}
			loss, step, err := f.forwardBackward(whole, b, stepMetrics)
			if err != nil {
				return err
			}
			step.Update()
			done++
			stepLoss += loss * float64(len(b.Indices))
			grads := sum.add(step.Grads, len(b.Indices), f.session.Config.Accumulate, done == len(groups))
			if grads == nil {
				continue
			}
			lr = rates.At(f.st.Step)
			norm, err := f.update(grads, lr)
			if err != nil {
				return err
			}
			f.st.Step++
			f.st.EpochStep++
			f.stepped()
			f.st.Partial.Merge(stepMetrics)
			e := report.StepEvent{Epoch: f.st.Epoch, Step: f.st.Step, Loss: report.Number(stepLoss / float64(stepMetrics.Examples)), LR: lr, GradNorm: report.Number(norm),
				Examples: stepMetrics.Examples, Seconds: time.Since(stepBegan).Seconds()}
			f.events.Emit(&e)
			f.pause(&e)
			stepBegan, stepLoss, stepMetrics = time.Now(), 0, f.session.Task.NewMetrics()
			if err := ctx.Err(); err != nil {
				return err
			}
			if done < len(groups) && f.due() {
				if err := f.save(); err != nil {
					return err
				}
			}
			if f.enough {
				done = len(groups)
				break
			}
			if done < len(groups) && (f.asks() || f.disturbed) { // the rest of the epoch may have another network
				f.disturbed = false
				break
			}
		}
	}
	val, isBest, err := f.judge(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	e := report.EpochEvent{Epoch: f.st.Epoch, Step: f.st.Step, TrainLoss: report.Number(f.st.Partial.Loss()), TrainAccuracy: report.Number(f.st.Partial.Accuracy()), TrainMetric: f.st.Partial.Named(),
		Val: val, LR: lr, Best: isBest, Seconds: took, Rate: float64(f.session.Train.Len()) / took, PeakRSS: PeakRSS()}
	f.events.Emit(&e)
	f.st.History = append(f.st.History, e)
	f.st.Epoch++
	f.st.EpochStep, f.st.Partial = 0, nil
	if f.due() {
		return f.save()
	}
	return nil
}

// forwardBackward runs one batch and gathers its metrics.
func (f *loop) forwardBackward(ctx context.Context, b *split.Batch, m *Metrics) (float64, *split.Step, error) {
	first := f.st.Step == 0 && f.session.Config.Memory > 0
	net := f.session.Net.At(b.Length)
	step, err := net.Train(len(b.Indices))
	if err != nil {
		return 0, nil, err
	}
	if again := step.Program.Recomputed(); first && again.Values > 0 {
		f.events.Emit(&report.Warning{Message: "memory: " + again.String()})
	}
	if n := step.Program.ArenaBytes(); first && n > int(f.session.Config.Memory) {
		f.events.Emit(&report.Warning{Message: fmt.Sprintf("memory: a step takes %.1f MiB and no cheap value is left to compute again; lower option batch (and raise option accumulate) to fit", float64(n)/(1<<20))})
	}
	labels := f.session.labels(f.session.Train, b, step.Program.OutputTensor(1).Shape)
	seed := split.StepSeed(f.session.Config.Seed, f.st.Epoch, b.Indices[0])
	given, answers := f.mix(b, b.Given(net), labels, step.Program.OutputTensor(1).Shape)
	l, scores, err := step.Run(ctx, given, answers, seed)
	if err != nil {
		return 0, nil, err
	}
	loss := float64(l)
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		where, err := step.Program.FirstNonFinite(ctx, step.Inputs(given, answers, seed)...)
		if err != nil {
			return 0, nil, err
		}
		return 0, nil, &DivergedError{Epoch: f.st.Epoch, Step: f.st.Step, Where: where}
	}
	f.session.Task.Measure(m, scores, labels)
	return loss, step, nil
}

// labels are the right answers of a batch, whose scores have the given shape.
func (s *Session) labels(ds *data.Dataset, b *split.Batch, scores tensor.Shape) []*tensor.Tensor {
	targets := make([]data.Target, len(b.Indices))
	for k, i := range b.Indices {
		targets[k] = s.targets[ds][i]
	}
	positions := task.Positions(s.Task, scores, len(targets))
	return s.Task.Labels(targets, data.Scaled(b.Lengths, b.Length, positions), positions)
}

// update clips the gradients and moves the thawed weights.
func (f *loop) update(grads []*tensor.Tensor, lr float64) (norm float64, err error) {
	slots := f.session.active.Opt.Slots()
	for i, s := range slots {
		s.Grad = grads[i]
	}
	f.pace(slots)
	f.meter.gather(slots)
	if f.session.Config.Clip > 0 {
		norm = optim.Clip(slots, f.session.Config.Clip)
	} else {
		norm = optim.GradNorm(slots)
	}
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		for _, s := range slots {
			if s.Grad != nil && !finiteTensor(s.Grad) {
				return norm, &DivergedError{Epoch: f.st.Epoch, Step: f.st.Step, Where: fmt.Sprintf("the gradient of %q", s.Name)}
			}
		}
	}
	return norm, f.session.active.Opt.Step(lr)
}

func finiteTensor(t *tensor.Tensor) bool {
	for _, v := range t.Float64s() {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// DivergedError says that training left the numbers.
type DivergedError struct {
	Epoch, Step int
	Where       string // the first value that was not finite
	Kept        string // the last good checkpoint, "" when there is none
}

func (e *DivergedError) Error() string {
	s := fmt.Sprintf("the loss is not a number at epoch %d, step %d: it arose first in %s; lower option lr or set option clip 1", e.Epoch+1, e.Step+1, e.Where)
	if e.Kept != "" {
		s += "; the last good checkpoint is " + e.Kept
	}
	return s
}

// validate measures the present weights on the validation examples.
func (f *loop) validate(ctx context.Context) (*Metrics, error) {
	m := f.session.Task.NewMetrics()
	size := f.frontier.Val.EvalBatch(f.session.Config.Batch)
	for b, err := range f.frontier.Val.Batches(ctx, f.session.Val.Groups(data.FileOrder(f.session.Val.Len()), size), data.Plain) {
		if err != nil {
			return nil, err
		}
		net := f.session.Net.At(b.Length)
		p, err := net.Eval(len(b.Indices))
		if err != nil {
			return nil, err
		}
		given := b.Given(net)
		out, err := p.Run(ctx, given...)
		if err != nil {
			return nil, err
		}
		f.session.Task.Measure(m, out[0], f.session.labels(f.session.Val, b, out[0].Shape))
		if f.session.MeasureEach {
			f.measureEach(b, out[0])
		}
		if m.Invalid > 0 || finite(m.LossSum) == nil {
			where, err := p.FirstNonFinite(ctx, given...)
			if err != nil {
				return nil, err
			}
			return nil, &DivergedError{Epoch: f.st.Epoch, Step: f.st.Step, Where: where + " at validation"}
		}
	}
	return m, nil
}

// gradSum averages the gradients of several batches before a step.
type gradSum struct {
	sums     []*tensor.Tensor
	examples int
	batches  int
}

// add takes a batch's gradients, means over its examples, and returns the mean over all batches since
// the last step when it is time for one: after accumulate batches or the epoch's last.
func (g *gradSum) add(grads []*tensor.Tensor, examples, accumulate int, last bool) []*tensor.Tensor {
	if accumulate <= 1 {
		return grads
	}
	if g.sums == nil {
		g.sums = make([]*tensor.Tensor, len(grads))
	}
	for i, t := range grads {
		if t == nil {
			continue
		}
		if g.sums[i] == nil {
			g.sums[i] = tensor.New(t.DType, t.Shape...)
		}
		if g.batches == 0 {
			clear(g.sums[i].Bytes)
		}
		kernel.Axpy(g.sums[i].F32(), t.F32(), float32(examples))
	}
	g.examples += examples
	g.batches++
	if g.batches < accumulate && !last {
		return nil
	}
	for _, t := range g.sums {
		if t != nil {
			kernel.Scale(t.F32(), t.F32(), 1/float32(g.examples))
		}
	}
	g.examples, g.batches = 0, 0
	return g.sums
}
