package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/permafrost-ml/permafrost/internal/calibrate"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// loop is a fit in progress.
type loop struct {
	session *Session
	st      RunState // the position of the run, as in a checkpoint
	events  *report.Events
	dir     *RunDir // nil for a fit that writes nothing to disk
	began   time.Time
	resumed bool // the run is at its start, and a checkpoint is about to be restored

	frontier *keep.Encoders // the examples at the end of the frozen region
	cached   int64          // bytes of frozen values that are kept
	average  *optim.Average // nil: weights are not averaged
	meter    *meter         // what the schedule measures; nil before training or without one
	watch    watch

	each   []*task.Metrics   // one for each validation example, see Result.Each
	scores *calibrate.Scores // logits of the validation examples, see Held.Scores
	final  *task.Metrics     // validation of the written weights, if no epoch validated them

	mistakes mistakes // of the last validation, where there is a run folder
	board    *board   // TensorBoard's event file; nil: none

	kept   kept
	holder holder
}

// kept is the weights of the best epoch, and when checkpoints were written.
type kept struct {
	best    best
	unsaved bool          // best is newer than its checkpoint
	saved   time.Time     // when the last checkpoint was written
	cost    time.Duration // how long writing it took

	mistakes mistakes // of the best epoch; none where a checkpoint gave it
}

// holder is the caller that controls a fit between two steps, see Held.
type holder struct {
	pause     func(*loop, *report.StepEvent) // called between steps; nil: no holder
	plan      *freeze.Plan                   // the plan from the next step on; nil: no change
	disturbed bool                           // the network ran in between, so started batches restart
	enough    bool                           // the holder wants no more steps
}

// fit trains until the epochs are over, patience runs out or ctx ends. It leaves the selected
// weights in place. When ctx ends it saves a checkpoint and returns ctx's error.
func (f *loop) fit(ctx context.Context, resume bool) error {
	f.began, f.kept.saved, f.resumed = time.Now(), time.Now(), resume
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
	if resume { // after standardising, which needs the pretrained weights
		if err := f.resume(); err != nil {
			return err
		}
		f.resumed = false
		if f.session.stage.schedule != nil {
			if err := f.rebuild(ctx); err != nil {
				return err
			}
		}
	} else {
		f.st.Temperatures = f.session.temperatures
		if err := f.probeHead(ctx); err != nil {
			return err
		}
	}
	if err := f.measureRates(ctx); err != nil {
		return err
	}
	steps := f.session.stepsPerEpoch()
	rates := f.session.Config.LRs(steps * f.session.Config.Epochs)
	if e := f.st.Extended; e != nil {
		rates.First, rates.Steps = e.Step, steps*(f.session.Config.Epochs-e.Epoch)
	}
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
		Steps: steps * f.session.Config.Epochs, Threads: kernel.Threads(), Resumed: resume, Epoch: f.st.Epoch + 1, Step: f.st.Step, Over: f.over()})
	if task.KindOf(f.session.Task).KeepsHead && f.st.Step == 0 {
		m, err := f.validate(ctx)
		if err != nil {
			return err
		}
		f.st.Before, f.st.BeforeLoss = m.Named(), m.Loss()
		f.events.Emit(&report.Warning{Message: fmt.Sprintf("before training: %s on validation", report.MetricText(f.st.Before, 0))})
	}
	f.pause(nil)
	for !f.over() && !f.holder.enough {
		if err := f.epoch(ctx, rates, steps); err != nil {
			var diverged *DivergedError
			if ctx.Err() != nil && !errors.As(err, &diverged) {
				if serr := f.save(); serr != nil {
					return fmt.Errorf("interrupted, and the checkpoint could not be written: %w", serr)
				}
			}
			return f.keepBest(err)
		}
	}
	if err := f.ended(); err != nil {
		return f.keepBest(err)
	}
	if err := f.save(); err != nil {
		return err
	}
	return f.keepBest(f.settle(ctx))
}

// over reports whether all epochs are done, or patience has run out.
func (f *loop) over() bool {
	return f.st.Epoch >= f.session.Config.Epochs || f.st.Best.Stop(f.session.Config.Patience)
}

// standardiseHead measures the features that a fresh head reads, and makes the head read them
// standardised.
func (f *loop) standardiseHead(ctx context.Context) error {
	if !f.session.Net.Headed.Fresh || f.session.Net.Norm != nil {
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
		b.Unpadded(out[0].F32(), f.session.Net.Headed.Features, func(x []float32) { m.Add(x, f.session.Net.Headed.Features) })
	}
	f.session.Net.Norm = m.Standard(!f.session.HeadOnly())
	f.session.Net.ReleaseFeatures()
	return nil
}
