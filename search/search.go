// Package search finds the options of a fine-tuning: what to thaw, at which rate, with which head.
//
//	cfg := permafrost.DefaultConfig()
//	cfg.Model, cfg.Data, cfg.Out = "model.onnx", "photos", "found"
//	result, err := search.Run(ctx, cfg, search.Options{})
//
// A search is made of trials. Each trial is a fit with other options, measured on training examples
// that are held out from it. The validation examples choose nothing; they measure the best trial
// once, at the end. All trials share what the frozen part of the network computes.
//
// The folder of a search is read by Read, List, Page and Replay, also while it runs. DryRun says
// ahead what a search will do and cost.
//
// The package stands beside package permafrost, so that a program which only tunes or predicts does
// not contain it.
package search

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/run/page"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// Options say what is searched for. The zero value searches a space made from the model and the
// data, for accuracy.
type Options struct {
	// Space is a space file in YAML, whose parameters are options of a Config; docs/search.md has
	// its form. Default: one made from the model and the data.
	Space []byte
	// Trials is how many trials there are at most. Default: 40, or all of a smaller space.
	Trials int
	// Budget is the time after which no trial starts. Default: none. The result then depends on
	// how fast the machine is.
	Budget time.Duration
	// Algorithm is tpe, evolution or random. Default: tpe.
	Algorithm string
	// Prior orders the trials that depend on no results, before any has run: those of which the
	// frozen features, the gradients of a few batches and the cost promise most come first. None is
	// left out. It takes as long as advice. Default: the order in which they are drawn.
	Prior bool
	// Objectives are of accuracy, params, bytes, latency_ms and train_seconds. Default: accuracy.
	// With several, the result has the trials that no other beats in all of them.
	Objectives []string
	// First are trials to start with: JSON objects of parameters and values.
	First [][]byte
	// WarmStart is the folder of an earlier search of the same model and data, whose results are
	// known and not tried again.
	WarmStart string
	// Resume goes on with the search in Config.Out. All else must be as it was, but Workers.
	Resume bool

	// Workers run the trials; nil runs them in this process. The result is the same.
	Workers *Workers
	// Lag is how many trials a proposal does not wait for: so many workers are kept busy. The
	// result depends on it. Default: 8.
	Lag int
	// Async lets every result count as soon as it is known, so that no worker waits. What is tried
	// then depends on chance, and the search cannot be repeated.
	Async bool

	// Progress shows the search to a person: on a terminal one line that is written over, and a
	// line for each trial that is the best so far; else a line for each part of a trial.
	Progress io.Writer
	// OnTrial is called after each part of a trial, from the goroutine of Run; nil for none.
	OnTrial func(Trial)
	// OnNote is called with remarks on what was guessed; nil for none.
	OnNote func(string)
}

// Run searches, and then fits the best trial on all training examples. With cfg.Out it writes
// search.jsonl there, a line for each result, the page search.html, and the folder best, a run like
// any other. cfg has the options that all trials share.
//
// The same search has the same result on every machine, unless Budget or an objective of time has a
// part in it. When ctx ends, Run returns permafrost.ErrInterrupted, and Resume goes on from there.
// Unusable input is permafrost.ErrBadInput, before anything is written.
func Run(ctx context.Context, cfg permafrost.Config, o Options) (*Result, error) {
	defer kernel.Use(cfg.Threads)()
	if err := o.check(); err != nil {
		return nil, failure.BadInput(err)
	}
	var sets run.Sets
	if w := o.Workers; w != nil && w.URL != "" { // they compute frozen values for this process too
		tell := o.OnNote
		if tell == nil {
			tell = func(string) {}
		}
		crew := newCrew(at(w.NATS), tell)
		defer crew.Close()
		sets.Helpers = crew
	}
	s, shown, err := prepare(ctx, cfg, o, sets)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	defer shown.end()
	if o.Workers == nil || s.Record().Final != nil {
		err = s.Run(ctx)
	} else {
		err = runOn(ctx, s, &o, cfg.Out, func(text string) { shown.note(text, o.OnNote) })
	}
	if err != nil {
		return nil, failure.Of(leavePage(err, cfg.Out))
	}
	best, err := s.Record().Best()
	if err != nil {
		return nil, failure.BadInput(leavePage(err, cfg.Out))
	}
	if s.Record().Final == nil { // else a search was resumed that had ended
		shown.fit(best)
		final, err := s.Fit(ctx, best)
		if err != nil {
			return nil, failure.Of(err)
		}
		if final.Out != "" {
			if err := page.Leave(ctx, final.Out, final.Session, final); err != nil {
				shown.note(err.Error(), o.OnNote)
			}
		}
	}
	r, err := resultOf(s.Record())
	if err != nil {
		return nil, failure.Of(err)
	}
	r.Out, r.Notes = cfg.Out, s.Notes
	return r, failure.Of(writePage(cfg.Out))
}

// sinks get what is said before a search begins.
func (o *Options) sinks() (sinks []report.Sink) {
	if o.Progress != nil {
		sinks = append(sinks, report.NewProgress(o.Progress))
	}
	return sinks
}

// prepare reads the options, which have been checked.
func prepare(ctx context.Context, cfg permafrost.Config, o Options, sets run.Sets) (*trials.Search, *progress, error) {
	objectives, err := trials.Objectives(o.Objectives)
	if err != nil {
		return nil, nil, err
	}
	if err := (*config.Config)(&cfg).Fetch(ctx, o.sinks()...); err != nil {
		return nil, nil, err
	}
	in := trials.Options{Config: config.Config(cfg), Sets: sets, Space: o.Space, Trials: o.Trials, Budget: o.Budget, Algorithm: cmp.Or(o.Algorithm, "tpe"), Prior: o.Prior,
		Objectives: objectives, WarmStart: o.WarmStart, Resume: o.Resume, Lag: o.Lag, Async: o.Async}
	for _, text := range o.First {
		var p space.Point
		if err := p.UnmarshalJSON(text); err != nil {
			return nil, nil, err
		}
		in.First = append(in.First, p)
	}
	var s *trials.Search
	var shown *progress
	in.Started = func(e trials.Entry) {
		if shown != nil {
			shown.started(e)
		}
	}
	in.Ended = func(e trials.Entry) {
		if shown == nil && o.OnTrial == nil {
			return
		}
		t := trialOf(s.Record(), s.Session.Config, e)
		if shown != nil {
			shown.ended(e, t)
		}
		if o.OnTrial != nil {
			o.OnTrial(t)
		}
	}
	if s, err = trials.New(ctx, in); err != nil {
		return nil, nil, err
	}
	if o.Progress != nil {
		shown = newProgress(o.Progress, s)
	}
	if o.OnNote != nil {
		for _, n := range s.Notes {
			o.OnNote(n)
		}
	}
	return s, shown, nil
}
