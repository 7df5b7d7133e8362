package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/race"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Fit trains as the configuration says. The run goes to the folder cfg.Out, which must not hold
// another run; with an empty Out nothing is written and only the numbers come back. Events go to
// events.jsonl and to the options.
//
// When ctx ends, a checkpoint is saved and the error is ErrInterrupted. Input that cannot be used
// is ErrBadInput before anything is written. A loss that is no longer a number is a *DivergedError.
//
// With cfg.Auto it first chooses what to thaw, at which rate and for how long, by racing candidates
// on the training examples; Result.Auto says how.
//
// Fit may be called from several goroutines with different folders.
func Fit(ctx context.Context, cfg Config, opts ...Option) (*Result, error) {
	defer kernel.Use(cfg.Threads)()
	o := optionsOf(opts)
	if cfg.Auto {
		sets, err := o.sets(&cfg)
		if err != nil {
			return nil, err
		}
		r, err := race.Fit(ctx, run.Config(cfg), sets, o.sinks...)
		if err != nil {
			return nil, badInput(err)
		}
		return resultOf(r), nil
	}
	j, err := beginRun(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	return j.fit(ctx, o)
}

// Resume goes on with the run in cfg.Out from its last checkpoint and ends in the bits that an
// unbroken run would have given. LoadRun gives its configuration. It errors with ErrOtherRun, and
// writes nothing, when model, data, plan or options are not those of the run; only the number of
// threads, the cache and paths may change.
func Resume(ctx context.Context, cfg Config, opts ...Option) (*Result, error) {
	defer kernel.Use(cfg.Threads)()
	o := optionsOf(opts)
	j, err := resumeRun(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	return j.fit(ctx, o)
}

// job is a fit that is ready to run.
type job struct {
	session *run.Session
	dir     *run.RunDir // nil: nothing is written
	resume  bool        // from the checkpoint in dir
}

// beginRun reads what a new run needs and makes its folder.
func beginRun(ctx context.Context, cfg Config, o *options) (*job, error) {
	sets, err := o.sets(&cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Out != "" {
		if err := run.CheckRunDir(cfg.Out); err != nil {
			return nil, badInput(err)
		}
	}
	j := &job{}
	if j.session, err = prepare(ctx, cfg, sets); err != nil || cfg.Out == "" {
		return j, err
	}
	if err := j.session.Settle(ctx); err != nil {
		return nil, badInput(err)
	}
	j.dir, err = run.CreateRunDir(cfg.Out, &j.session.Config)
	return j, failed(err)
}

// resumeRun reads what a run in a folder needs to go on.
func resumeRun(ctx context.Context, cfg Config, o *options) (*job, error) {
	if cfg.Out == "" {
		return nil, badOption("out", "name the folder of the run to go on with")
	}
	sets, err := o.sets(&cfg)
	if err != nil {
		return nil, err
	}
	j := &job{}
	if j.dir, _, err = run.OpenRunDir(cfg.Out); err != nil {
		return nil, badInput(err)
	}
	if j.session, err = prepare(ctx, cfg, sets); err != nil {
		return nil, err
	}
	if j.resume, err = j.session.CheckResume(j.dir); err != nil {
		return nil, failed(err, ErrBadInput, ErrOtherRun)
	}
	return j, nil
}

// prepare reads model and data and makes sure that the plan can be trained.
func prepare(ctx context.Context, cfg Config, sets run.Sets) (*run.Session, error) {
	s, err := run.PrepareOn(ctx, run.Config(cfg), sets)
	if err == nil {
		err = s.Check()
	}
	if err == nil {
		err = s.Try(ctx)
	}
	return s, badInput(err)
}

func (j *job) fit(ctx context.Context, o *options) (*Result, error) {
	r, err := j.session.Fit(ctx, j.dir, j.resume, o.sinks...)
	if err != nil {
		return nil, failed(err)
	}
	return resultOf(r), nil
}
