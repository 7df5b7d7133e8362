package permafrost

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Trainer is a fit whose loop belongs to the caller: it stands still between two optimiser steps,
// where it can be evaluated, saved and given another plan. Left alone, its steps give the bits of
// Fit.
//
//	t, err := permafrost.NewTrainer(ctx, cfg)
//	...
//	defer t.Close()
//	for step, err := range t.Steps(ctx) {
//		...
//	}
//	result, err := t.Finish(ctx)
//
// A Trainer may be used by one goroutine at a time. Nothing of it runs between its calls.
type Trainer struct{ held *run.Held }

// NewTrainer reads everything that the configuration names, computes what is kept of the frozen
// part, and stops before the first step. With cfg.Out it begins a run there, as Fit does. cfg.Thaw
// names all that may ever train; all of it does until Replan says otherwise. When ctx ends the run
// ends too, with a checkpoint. cfg.Auto is not for a Trainer.
func NewTrainer(ctx context.Context, cfg Config, opts ...Option) (*Trainer, error) {
	return newTrainer(ctx, cfg, beginRun, opts)
}

// ResumeTrainer goes on with the run in cfg.Out from its last checkpoint, as Resume does.
func ResumeTrainer(ctx context.Context, cfg Config, opts ...Option) (*Trainer, error) {
	return newTrainer(ctx, cfg, resumeRun, opts)
}

func newTrainer(ctx context.Context, cfg Config, begin func(context.Context, Config, *options) (*job, error), opts []Option) (*Trainer, error) {
	if cfg.Auto {
		return nil, badOption("auto", "the plan of a Trainer is its caller's: Fit chooses one")
	}
	o := optionsOf(opts)
	j, err := begin(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	h, err := j.session.Hold(ctx, j.dir, j.resume, o.sinks...)
	if err != nil {
		return nil, failed(err)
	}
	return &Trainer{h}, nil
}

// Step makes the next optimiser step and says how it went. At the end of an epoch it validates too,
// as an EpochEnd event tells. It returns io.EOF when the epochs are over, or the patience is. When
// ctx has ended the run ends, with a checkpoint and ErrInterrupted; a step that ctx ends in is made
// whole.
func (t *Trainer) Step(ctx context.Context) (*Step, error) {
	e, err := t.held.Step(ctx)
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, failed(err)
	}
	return eventOf(time.Now(), report.Event(e)).(*Step), nil
}

// Steps yields the steps until the epochs are over. An error, as of Step, is the last that it
// yields.
func (t *Trainer) Steps(ctx context.Context) iter.Seq2[*Step, error] {
	return func(yield func(*Step, error) bool) {
		for {
			s, err := t.Step(ctx)
			if errors.Is(err, io.EOF) || !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// Eval measures the present weights, at the end those that are kept, on the validation examples.
func (t *Trainer) Eval(ctx context.Context) (*Metrics, error) {
	m, err := t.held.Eval(ctx)
	return metricsOf(m), failed(err)
}

// Replan makes what the selectors name train from the next step on, and freezes the rest. The
// selectors choose among what cfg.Thaw names; the rest of what they name stays frozen. Weights that
// go on training keep their optimiser state; weights that are frozen keep their values; what lies
// behind the new frontier is computed from what is kept at the old one. Replan takes the place of
// cfg.Schedule. A checkpoint has the new plan once that step is made. It errors with ErrBadInput on
// selectors that name nothing of cfg.Thaw.
func (t *Trainer) Replan(thaw ...string) error { return badInput(t.held.Replan(thaw)) }

// Plan is the plan of the next step.
func (t *Trainer) Plan() *Plan { return planOf(t.held.Plan()) }

// Save writes the tuned model with the present weights to a file, for Open.
func (t *Trainer) Save(path string) error { return failed(t.held.Save(path)) }

// Model opens the tuned model with the present weights, without a file. Training goes on apart from
// it.
func (t *Trainer) Model(opts ...Option) (*Model, error) {
	b, err := t.held.Model()
	if err != nil {
		return nil, failed(err)
	}
	return ReadModel(bytes.NewReader(b), opts...)
}

// Finish ends the run where it stands: it validates, writes what Fit writes to cfg.Out, and returns
// the result. After the last epoch the run has ended by itself, and Finish returns its result.
func (t *Trainer) Finish(ctx context.Context) (*Result, error) {
	r, err := t.held.Finish(ctx)
	if err != nil {
		return nil, failed(err)
	}
	return resultOf(r), nil
}

// Close lets go of everything that the trainer holds. A run with a folder that has not ended leaves
// a checkpoint, from which Resume and ResumeTrainer go on.
func (t *Trainer) Close() error { return failed(t.held.Close()) }
