package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Session is a fit that is ready to run: model, data and plan have been read and fit together.
type Session struct {
	Config      Config // resolved: nothing left to choose
	Base        *Base
	Train       *data.Dataset
	Val         *data.Dataset
	Task        task.Task
	Headed      *Headed
	Set         *freeze.Set
	Plan        *freeze.Plan
	Net         *Network
	Notes       []string
	Cache       *cache.Cache // what runs share; nil: nothing
	MeasureEach bool         // measure every validation example by itself, for Result.Each

	targets map[*data.Dataset][]data.Target // the right answers, by example
	digests map[string]string               // of the frozen weights, before training
	opt     *optim.Optimizer
	stage   stages
}

// Prepare reads everything that a configuration names. Nothing is written. Its errors are what the
// user can mend: files, selectors, classes.
func Prepare(ctx context.Context, cfg Config) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Threads > 0 {
		kernel.SetThreads(cfg.Threads)
	}
	base, err := OpenBase(cfg.Model, cfg.feedOptions())
	if err != nil {
		return nil, err
	}
	opt := data.Options{Val: cfg.Val, Seed: cfg.Seed, Workers: kernel.Threads(), AugmentSpec: cfg.Augment, Budget: pictureBudget,
		Task: cfg.Task, Table: cfg.feedOptions().Table}
	shared, note, err := cfg.openCache()
	if err != nil {
		return nil, err
	}
	remember(shared, base.Feed, &opt)
	tr, val, err := base.Feed.Open(ctx, cfg.Data, opt)
	if err != nil {
		return nil, err
	}
	s, err := NewSession(cfg, base, tr, val)
	if err != nil {
		return nil, err
	}
	s.Cache = shared
	if note != "" {
		s.Notes = append(s.Notes, note)
	}
	return s, nil
}

// pictureBudget bounds the resized pictures that stay in memory, in bytes.
const pictureBudget = 256 << 20

// NewSession makes a session of a model and data that have been opened.
func NewSession(cfg Config, base *Base, tr, val *data.Dataset) (*Session, error) {
	return newSession(cfg, base, tr, val, func(*freeze.Set, *freeze.Plan) error { return nil })
}

// newSession makes a session whose plan resolve has completed.
func newSession(cfg Config, base *Base, tr, val *data.Dataset, resolve func(*freeze.Set, *freeze.Plan) error) (*Session, error) {
	s := &Session{Base: base, Train: tr, Val: val, Notes: append([]string(nil), base.Notes...)}
	s.Notes = append(s.Notes, tr.Notes()...)
	err := s.chooseTask(&cfg)
	if err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, cfg.resolveSchedule()...)
	s.Headed, err = AttachHead(base.Model.Graph, HeadSpec{
		Kind: cfg.Head, Classes: s.Task.Scores(), Attach: cfg.Attach, Pool: cfg.Pool, Seed: cfg.Seed, PerPosition: s.Task.PerPosition(), Mask: base.mask(),
	}, base.Shapes(2))
	if err != nil {
		return nil, err
	}
	if s.Set, s.Plan, err = s.Headed.plan(cfg, base.Model, base.tokens()); err != nil {
		return nil, err
	}
	if err := resolve(s.Set, s.Plan); err != nil {
		return nil, err
	}
	if err := cfg.setRates(s.Set, s.Plan); err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, s.Headed.adapted()...)
	cfg.recipe(subjectOf(s.Headed, s.Set, s.Plan, tr.Len()))
	cfg.Batch = min(cfg.Batch, tr.Len())
	s.Config = cfg
	if err := cfg.LRs(1).Validate(); err != nil {
		return nil, err
	}
	if err := s.checkRegularisation(); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	s.digests = freeze.Digests(s.Set, s.Plan)
	s.own()
	s.Net = &Network{Headed: s.Headed, Set: s.Set, Plan: s.Plan, Shapes: base.Shapes}
	s.Net.Memory, s.Net.Task = int(cfg.Memory), s.objective()
	if f := base.Feed.Form(); f.Varies() {
		s.Net.Form, s.Net.Length = &f, base.Length()
	}
	s.opt = cfg.NewOptimizer()
	return s, s.hold()
}

// dataDigest identifies examples: their classes, their preparation and the contents of their files.
func dataDigest(d *data.Dataset) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, d.Len(), d.Classes)
	for i, e := range d.Examples {
		sum, err := d.Digest(i)
		if err != nil {
			return "", err
		}
		h.Write(sum[:])
		fmt.Fprintln(h, e.Label)
		if e.Answer != "" {
			fmt.Fprintf(h, "%q\n", e.Answer)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
