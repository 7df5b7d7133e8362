package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/race"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Fit trains as the configuration says. The run goes to the folder cfg.Out, which must not hold another
// run; with an empty Out nothing is written and only the numbers come back. Events go to events.jsonl
// and to the options.
//
// When ctx ends, a checkpoint is saved and the error is ErrInterrupted. Input that cannot be used is
// ErrBadInput before anything is written. A loss that is no longer a number is a *DivergedError.
//
// With cfg.Auto it first chooses what to thaw, at which rate and for how long, by racing candidates on
// the training examples; Result.Auto says how.
//
// Fit may be called from several goroutines with different folders.
func Fit(ctx context.Context, cfg Config, opts ...Option) (*Result, error) {
	defer kernel.Use(cfg.Threads)()
	o := optionsOf(opts)
	sets, err := o.sets(&cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Auto {
		r, err := race.Fit(ctx, run.Config(cfg), sets, o.sinks...)
		if err != nil {
			return nil, badInput(err)
		}
		return resultOf(r), nil
	}
	if cfg.Out != "" {
		if err := run.CheckRunDir(cfg.Out); err != nil {
			return nil, badInput(err)
		}
	}
	s, err := prepare(ctx, cfg, sets)
	if err != nil {
		return nil, err
	}
	var dir *run.RunDir
	if cfg.Out != "" {
		if dir, err = run.CreateRunDir(cfg.Out, &s.Config); err != nil {
			return nil, failed(err)
		}
	}
	return train(ctx, s, dir, false, o)
}

// Resume goes on with the run in cfg.Out from its last checkpoint and ends in the bits that an unbroken
// run would have given. LoadRun gives its configuration. It errors with ErrOtherRun, and writes nothing,
// when model, data, plan or options are not those of the run; only the number of threads, the cache and
// paths may change.
func Resume(ctx context.Context, cfg Config, opts ...Option) (*Result, error) {
	if cfg.Out == "" {
		return nil, badOption("out", "name the folder of the run to go on with")
	}
	defer kernel.Use(cfg.Threads)()
	dir, _, err := run.OpenRunDir(cfg.Out)
	if err != nil {
		return nil, badInput(err)
	}
	o := optionsOf(opts)
	sets, err := o.sets(&cfg)
	if err != nil {
		return nil, err
	}
	s, err := prepare(ctx, cfg, sets)
	if err != nil {
		return nil, err
	}
	found, err := s.CheckResume(dir)
	if err != nil {
		return nil, failed(err, ErrBadInput, ErrOtherRun)
	}
	return train(ctx, s, dir, found, o)
}

// prepare reads model and data and makes sure that the plan can be trained.
func prepare(ctx context.Context, cfg Config, sets run.Sets) (*run.Session, error) {
	s, err := run.PrepareOn(ctx, run.Config(cfg), sets)
	if err == nil {
		err = s.Check()
	}
	return s, badInput(err)
}

// train runs what is prepared, from its checkpoint where resume says so.
func train(ctx context.Context, s *run.Session, dir *run.RunDir, resume bool, o *options) (*Result, error) {
	r, err := s.Fit(ctx, dir, resume, o.sinks...)
	if err != nil {
		return nil, failed(err)
	}
	return resultOf(r), nil
}
