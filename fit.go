package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/auto"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Fit trains as the configuration says. It writes the run to the folder cfg.Out, which must not
// contain another run, with its report (see Report). If Out is empty, nothing is written and only the result is returned. Events
// go to events.jsonl and to the options.
//
// When ctx ends, a checkpoint is saved and the error is ErrInterrupted. Unusable input is
// ErrBadInput, before anything is written. A loss that becomes NaN or infinite, or ends far above that of
// guessing, is a *DivergedError.
//
// With cfg.Auto, Fit first chooses what to thaw, the learning rate and the number of epochs, by
// trying candidates on the training examples. Result.Auto describes the choice. The head alone is
// fitted before: from then on the folder holds a model, and when ctx ends, the best one so far.
//
// Fit may be called from several goroutines with different folders.
func Fit(ctx context.Context, cfg Config, opts ...Option) (*Result, error) {
	defer kernel.Use(cfg.Threads)()
	o := optionsOf(opts)
	if cfg.Auto && cfg.Extends != "" {
		return nil, badOption("extends", "%s: what trains was chosen when that run began; leave option auto out", cfg.Extends)
	}
	if cfg.Auto {
		sets, err := o.sets(ctx, &cfg)
		if err != nil {
			return nil, err
		}
		r, err := auto.Fit(ctx, config.Config(cfg), sets, o.sinks...)
		if err != nil {
			writeReport(ctx, cfg.Out, nil, nil, o)
			return nil, badInput(err)
		}
		writeReport(ctx, cfg.Out, r.Session, r, o)
		return resultOf(r), nil
	}
	j, err := beginRun(ctx, cfg, o)
	if err != nil {
		return nil, err
	}
	return j.fit(ctx, o)
}

// Resume continues the run in cfg.Out from its last checkpoint. The result has the same bits as an
// uninterrupted run. LoadRun returns its configuration. If model, data, plan or options differ from
// the run's, Resume errors with ErrOtherRun and writes nothing. Only the number of threads, the
// cache and paths may change.
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
	sets, err := o.sets(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	if cfg.TensorBoard && cfg.Out == "" {
		return nil, badOption("tensorboard", "it writes into the run folder: name one with option out")
	}
	if cfg.Extends != "" && cfg.Out == "" {
		return nil, badOption("extends", "%s: name the folder of the new run with option out", cfg.Extends)
	}
	if cfg.Out != "" {
		if err := run.CheckRunDir(cfg.Out); err != nil {
			return nil, badInput(err)
		}
	}
	if cfg.Extends != "" {
		if _, was, err := run.OpenRunDir(cfg.Extends); err == nil { // CheckExtend reports the error
			adoptPlace(&cfg, was)
		}
	}
	j := &job{}
	if j.session, err = prepare(ctx, cfg, sets); err != nil {
		return nil, err
	}
	j.session.NoteIdleGroups()
	if cfg.Extends != "" {
		err = j.session.CheckExtend(ctx)
	} else {
		err = j.session.Settle(ctx, o.sinks...)
	}
	if err != nil {
		return nil, badInput(err)
	}
	if cfg.Out == "" {
		return j, nil
	}
	if j.dir, err = run.CreateRunDir(cfg.Out, &j.session.Config); err == nil && cfg.Extends != "" {
		j.resume, err = true, j.session.Extend(j.dir)
	}
	return j, failed(err)
}

// resumeRun reads what the run in a folder needs to continue.
func resumeRun(ctx context.Context, cfg Config, o *options) (*job, error) {
	if cfg.Out == "" {
		return nil, badOption("out", "name the folder of the run to go on with")
	}
	sets, err := o.sets(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	j := &job{}
	var was *config.Config
	if j.dir, was, err = run.OpenRunDir(cfg.Out); err == nil {
		err = j.dir.OfFit()
	}
	if err != nil {
		return nil, badInput(err)
	}
	adoptPlace(&cfg, was)
	if j.session, err = prepare(ctx, cfg, sets); err != nil {
		return nil, err
	}
	if j.resume, err = j.session.CheckResume(j.dir); err != nil {
		return nil, failed(err, ErrBadInput, ErrOtherRun)
	}
	if !j.resume { // it starts again
		if err := j.session.Settle(ctx, o.sinks...); err != nil {
			return nil, badInput(err)
		}
	}
	return j, nil
}

// adoptPlace leaves what a fresh head reads as it was chosen for an earlier part of a run.
func adoptPlace(cfg *Config, was *config.Config) {
	if len(cfg.Attach) == 0 && cfg.Head != "keep" {
		cfg.Attach = was.Attach
	}
}

// prepare reads model and data, and checks that the plan can be trained.
func prepare(ctx context.Context, cfg Config, sets run.Sets) (*run.Session, error) {
	s, err := run.PrepareOn(ctx, config.Config(cfg), sets)
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
	writeReport(ctx, j.session.Config.Out, j.session, r, o)
	if err != nil {
		return nil, failed(err)
	}
	return resultOf(r), nil
}
