package search

import (
	"context"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// Forecast says what a search will do and what it will cost, before it runs. Its JSON form is what
// search --dry-run --json prints. Operations are floating-point operations and are counted; seconds
// come from a few passes on this machine.
type Forecast struct {
	Trials    int        `json:"trials"`          // at most
	Points    int        `json:"points"`          // of the space; 0 where they have no end
	Rungs     []int      `json:"rungs,omitempty"` // percent of its epochs after which a trial stops, unless it is among the best
	Share     float64    `json:"share"`           // of a whole trial that one takes on average
	Known     int        `json:"known"`           // trials that are known ahead; the others depend on results
	Lag       int        `json:"lag"`             // trials that may run at a time
	Parts     int        `json:"parts"`           // times that a trial trains, each time with another part held out
	Examples  int        `json:"examples"`        // for training
	HeldOut   int        `json:"held_out"`        // of these, that measure a trial
	Space     string     `json:"space"`           // YAML
	Groups    []Frontier `json:"frontiers"`
	Bytes     int64      `json:"kept_bytes"` // at all frontiers
	Frozen    float64    `json:"frozen_flops"`
	Live      float64    `json:"live_flops"`
	Predicted Predicted  `json:"predicted"`
	Notes     []string   `json:"notes,omitempty"`
}

// Frontier is where the frozen part of the network ends for some trials. They share what it
// computes.
type Frontier struct {
	Settings []string `json:"settings"` // the options that lead to it
	Values   []string `json:"values"`   // of the network
	Known    int      `json:"known"`    // trials of it among those that are known ahead
	Bytes    int64    `json:"kept_bytes"`
	Frozen   float64  `json:"frozen_flops"` // of one pass over all training examples, from the inputs
	Pass     float64  `json:"pass_flops"`   // the same from what a frontier before it in the list keeps
	Live     float64  `json:"live_flops"`   // of one whole trial, on average
}

// Predicted are the times that a search takes, in seconds.
type Predicted struct {
	Seconds float64 `json:"seconds"`
	Frozen  float64 `json:"frozen_seconds"` // reading the examples included
	Live    float64 `json:"live_seconds"`
	Most    float64 `json:"most_seconds"` // of all, where every trial that is not known ahead is of the dearest kind
}

// DryRun makes the plan of a search. It runs no trial and writes nothing in cfg.Out. It errors under
// the conditions of Run.
func DryRun(ctx context.Context, cfg permafrost.Config, o Options) (*Forecast, error) {
	defer kernel.Use(cfg.Threads)()
	if err := o.check(); err != nil {
		return nil, failure.BadInput(err)
	}
	s, _, err := prepare(ctx, cfg, o, run.Sets{})
	if err != nil {
		return nil, failure.BadInput(err)
	}
	f, err := s.Forecast(ctx)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	h := &f.Header
	out := &Forecast{Trials: h.Trials, Points: f.Size, Rungs: h.Rungs, Share: f.Share, Known: f.Known, Lag: h.Lag, Parts: h.Parts, Examples: h.Examples, HeldOut: h.HeldOut,
		Space: h.Space, Bytes: f.Bytes, Frozen: f.Frozen, Live: f.Live, Predicted: Predicted{f.FrozenSeconds + f.LiveSeconds, f.FrozenSeconds, f.LiveSeconds, f.FrozenSeconds + f.MostSeconds}, Notes: s.Notes}
	if out.Points == space.Endless {
		out.Points = 0
	}
	for _, g := range f.Groups {
		out.Groups = append(out.Groups, Frontier{g.Settings, g.Frontier, g.Known, g.Bytes, g.Frozen, g.Pass, g.Live})
	}
	return out, nil
}
