package federate

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/fed/simulate"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Clients are those of a simulation.
type Clients struct {
	// Number of clients. Default: 10.
	Number int
	// Partition says how the training examples are divided: iid, or dirichlet:A with fewer classes a
	// client the smaller A is. Default: iid.
	Partition string
	// Drop is the share of the clients whose answer gets lost in each round.
	Drop float64
	// Malicious is the share of the clients that lie in every round, Lie what they send: flip, the
	// opposite of their change; scale, ten times that; random, noise ten times as long. Default: flip.
	Malicious float64
	Lie       string
	// Memory is how many bytes clients can spend on training, in turn; 0 for any. Those with less
	// than the plan takes freeze its first blocks.
	Memory []int64
	// SecretNoise draws the noise of differential privacy as a real federation does. Default: by
	// seed, so that a simulation can be repeated.
	SecretNoise bool
}

// Simulate runs a federation in this process: cfg.Data is divided among the clients, cfg.Val is the
// server's. Clients train beside each other, one on each thread. When ctx ends it returns
// permafrost.ErrInterrupted, and Options.Resume goes on from there. Unusable input is
// permafrost.ErrBadInput, before anything is written.
func Simulate(ctx context.Context, cfg permafrost.Config, o Options, c Clients) (*Result, error) {
	defer kernel.Use(cfg.Threads)()
	began := time.Now()
	settings := o.settings()
	settings.Seeded = settings.Epsilon > 0 && !c.SecretNoise
	if err := settings.Check(); err != nil {
		return nil, failure.BadInput(err)
	}
	if err := (*config.Config)(&cfg).Fetch(ctx, noted(o.note)); err != nil {
		return nil, failure.BadInput(err)
	}
	shared, notes, err := training(config.Config(cfg), &settings)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	s, err := run.Prepare(ctx, shared)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	notes = append(notes, s.Notes...)
	own, err := s.With(shared, s.Val, s.Val)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	chosen, err := settle(ctx, &shared, own, &settings)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	notes = append(notes, chosen...)
	if s, err = s.With(shared, s.Train, s.Val); err != nil {
		return nil, failure.BadInput(err)
	}
	if err := s.Check(); err != nil {
		return nil, failure.BadInput(err)
	}
	if c.SecretNoise && settings.Epsilon == 0 {
		notes = append(notes, "option secret_noise does nothing without option dp_epsilon")
	}
	if c.Lie != "" && c.Lie != "flip" && c.Malicious == 0 {
		notes = append(notes, fmt.Sprintf("option lie %s does nothing without option malicious", c.Lie))
	}
	if settings.Seeded {
		notes = append(notes, "the noise is drawn by seed, so that the simulation can be repeated: it protects nobody")
	}
	in := simulate.Options{Session: s, Settings: settings, Clients: cmp.Or(c.Number, 10), Partition: cmp.Or(c.Partition, "iid"), Drop: c.Drop, Malicious: c.Malicious, Lie: cmp.Or(c.Lie, "flip"),
		Memory: c.Memory, Resume: o.Resume, Events: report.NewEvents(), Notes: notes, Tell: func(text string) { o.note(text) }}
	if err := in.Check(); err != nil {
		return nil, failure.BadInput(err)
	}
	dir, log, err := folder(&s.Config, o.Resume)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	if dir != nil {
		defer log.Close()
		in.Dir = dir
		in.Events.Subscribe(log)
	}
	o.note(notes...)
	pages := pages{dir: cfg.Out}
	in.Ended = func(r *report.RoundEvent) {
		pages.next()
		if o.OnRound != nil {
			o.OnRound(roundOf(r, &settings))
		}
	}
	out, err := simulate.Run(ctx, in)
	if err := pages.last(); err != nil {
		o.note(err.Error())
	}
	if err != nil {
		return nil, failure.BadInput(err)
	}
	r := resultOf(out, s, &settings)
	r.Notes, r.Out, r.Seconds, r.PeakRSS = notes, cfg.Out, time.Since(began).Seconds(), report.PeakRSS()
	return r, nil
}
