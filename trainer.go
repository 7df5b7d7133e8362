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

// Trainer is a fit whose loop belongs to the caller. It pauses between optimiser steps, where it
// can be evaluated, saved and given another plan. If the caller changes nothing, it gives the same
// bits as Fit.
//
//	t, err := permafrost.NewTrainer(ctx, cfg)
//	...
//	defer t.Close()
//	for step, err := range t.Steps(ctx) {
//		...
//	}
//	result, err := t.Finish(ctx)
//
// Use a Trainer from one goroutine at a time. Nothing of it runs between its calls.
type Trainer struct {
	held    *run.Held
	session *run.Session
	options *options
}

// NewTrainer reads everything that the configuration names, computes the frozen values that are
// kept, and pauses before the first step. With cfg.Out it starts a run there, like Fit. cfg.Thaw
// names everything that may ever train; all of it does until Replan changes that. When ctx ends,
// the run saves a checkpoint and ends. A Trainer does not support cfg.Auto.
func NewTrainer(ctx context.Context, cfg Config, opts ...Option) (*Trainer, error) {
	return newTrainer(ctx, cfg, beginRun, opts)
}

// ResumeTrainer continues the run in cfg.Out from its last checkpoint, like Resume.
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
	return &Trainer{h, j.session, o}, nil
}

// Step takes the next optimiser step and returns its result. At the end of an epoch it also
// validates, and sends an EpochEnd event. It returns io.EOF when the epochs are over or patience
// runs out. If ctx ends, the current step is completed, the run saves a checkpoint and ends, and
// the error is ErrInterrupted.
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

// Steps yields the steps until the epochs are over. If Step fails, its error is the last value.
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

// Eval measures the current weights on the validation examples. At the end of the run these are the
// selected weights.
func (t *Trainer) Eval(ctx context.Context) (*Metrics, error) {
	m, err := t.held.Eval(ctx)
	return metricsOf(m), failed(err)
}

// Replan trains what the selectors name from the next step on, and freezes the rest. The selectors
// choose among the weights of cfg.Thaw; anything else that they name stays frozen. Weights that
// continue to train keep their optimiser state. Weights that are frozen keep their values. Values
// after the new frontier are computed from those kept at the old one. Replan replaces cfg.Schedule.
// Checkpoints contain the new plan once that step is taken. Replan errors with ErrBadInput on
// selectors that name nothing of cfg.Thaw.
func (t *Trainer) Replan(thaw ...string) error { return badInput(t.held.Replan(thaw)) }

// Plan returns the plan of the next step.
func (t *Trainer) Plan() *Plan { return planOf(t.held.Plan()) }

// Save writes the tuned model with the current weights to a file, for Open.
func (t *Trainer) Save(path string) error { return failed(t.held.Save(path)) }

// Model opens the tuned model with the current weights, without a file. Further training does not
// affect it.
func (t *Trainer) Model(opts ...Option) (*Model, error) {
	b, err := t.held.Model()
	if err != nil {
		return nil, failed(err)
	}
	return ReadModel(bytes.NewReader(b), opts...)
}

// Finish ends the run after the steps taken so far. It validates, writes what Fit writes to
// cfg.Out, and returns the result. After the last epoch the run has already ended, and Finish
// returns its result.
func (t *Trainer) Finish(ctx context.Context) (*Result, error) {
	r, err := t.held.Finish(ctx)
	if err != nil {
		return nil, failed(err)
	}
	writeReport(ctx, r.Out, t.session, r, t.options)
	return resultOf(r), nil
}

// Close releases everything that the trainer holds. If a run with a folder has not ended, it leaves
// a checkpoint for Resume and ResumeTrainer.
func (t *Trainer) Close() error { return failed(t.held.Close()) }
