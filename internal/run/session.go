package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/calibrate"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Session is a fit that is ready to run: model, data and plan are loaded and checked against each
// other.
type Session struct {
	Config      config.Config // resolved: every option has its value
	Base        *split.Base
	Train       *data.Dataset
	Val         *data.Dataset
	Task        task.Task
	Plans       Plans
	Net         *split.Network
	Notes       []string
	Cache       *cache.Cache // shared between runs; nil: no cache
	Helpers     Helpers      // other processes that compute frozen values; nil: none
	Spent       float64      // seconds that choosing the plan, its rate and temperature took; part of Result.Seconds
	MeasureEach bool         // measure every validation example by itself, for Result.Each
	Place       []string     // what a fresh head reads where only it trains, as ChoosePlace chose; nil: what is found from the graph
	// Brief fits for their last measurement: they validate after the last epoch alone, keep no best
	// weights, and prove and diagnose nothing.
	Brief bool

	onDisk       bool               // see Sets.OnDisk
	asked        config.Config      // Config before anything was chosen
	kept         *keep.Kept         // frozen values that Settle computed, for the fit
	before       *keep.Encoders     // see TakeFrom
	stepBytes    int64              // see StepBytes
	rateOpen     bool               // the learning rate was left to the recipe
	temperatures []float64          // that calibrate chose, see RunState
	temperature  float64            // of the current weights; 0 is 1
	heldOut      []calibrate.Scores // of the validation examples, by epoch, where they are wanted

	targets map[*data.Dataset][]data.Target // the right answers, by example
	digests map[string]string               // of the frozen weights before training; nil until then
	active  *active
	stage   stage
}

// Prepare reads everything that a configuration names. It writes nothing. Its errors are ones that
// the user can mend: files, selectors, classes.
func Prepare(ctx context.Context, cfg config.Config) (*Session, error) {
	return PrepareOn(ctx, cfg, Sets{})
}

// PrepareOn is Prepare with examples given by the caller.
func PrepareOn(ctx context.Context, cfg config.Config, sets Sets) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Settle()
	defer kernel.Use(cfg.Threads)()
	model, err := sets.openModel(&cfg)
	if err != nil {
		return nil, err
	}
	base, err := split.NewBase(model, sets.FeedOptions(&cfg))
	if err != nil {
		return nil, err
	}
	base.Loss = sets.Loss
	shared, note, err := keep.OpenCache(cfg.KeepOptions())
	if err != nil {
		return nil, err
	}
	if shared != nil {
		base.Model.KnowDigest(shared.Files(sha256.Sum256([]byte("model files/1"))))
	}
	var digest sync.WaitGroup
	digest.Go(func() { base.Model.Digest() }) // it is needed soon, and takes as long as opening the data
	defer digest.Wait()
	tr, held, err := openData(ctx, &cfg, base, shared, sets)
	if err != nil {
		return nil, err
	}
	s, err := NewSession(cfg, base, tr, held)
	if err != nil {
		return nil, err
	}
	s.Cache, s.Helpers, s.onDisk = shared, sets.Helpers, sets.OnDisk
	if note != "" {
		s.Notes = append(s.Notes, note)
	}
	if sets.Both {
		return s, nil
	}
	leaks, err := data.Leaks(tr, held, nil)
	s.Notes = append(s.Notes, leaks...)
	return s, err
}

// openData opens the training and validation examples.
func openData(ctx context.Context, cfg *config.Config, base *split.Base, shared *cache.Cache, sets Sets) (tr, held *data.Dataset, err error) {
	from, val := sets.Places(cfg)
	opt := data.Options{Val: val, Seed: cfg.Seed, Workers: kernel.Threads(), Augment: cfg.Augment, Budget: pictureBudget,
		Task: cfg.Task, Table: cfg.FeedOptions().Table}
	if opt.Own = sets.Own; opt.Own == nil && cfg.Head == "keep" {
		if opt.Own, err = feed.ModelClasses(base.Model); err != nil {
			return nil, nil, err
		}
	}
	keep.Remember(shared, base.Feed, &opt)
	return base.Feed.Open(ctx, from, opt)
}

// Augmented opens the training examples of a prepared session again, to be changed at random as
// option augment says. It errors if they are not the same as before.
func (s *Session) Augmented(ctx context.Context, sets Sets, augment string) (*data.Dataset, error) {
	cfg := s.asked
	cfg.Augment = augment
	tr, _, err := openData(ctx, &cfg, s.Base, s.Cache, sets)
	if err == nil && !slices.Equal(tr.Examples, s.Train.Examples) {
		err = errors.New("the training examples changed while they were read again: let nothing write to them during a fit")
	}
	return tr, err
}

// pictureBudget limits the resized pictures in memory, in bytes.
const pictureBudget = 256 << 20

// NewSession makes a session from an open model and open data.
func NewSession(cfg config.Config, base *split.Base, tr, val *data.Dataset) (*Session, error) {
	return newSession(cfg, base, tr, val, nil)
}

// newSession makes a session whose plan is completed by resolve.
func newSession(cfg config.Config, base *split.Base, tr, val *data.Dataset, resolve func(*freeze.Set, *freeze.Plan) error) (*Session, error) {
	cfg.Settle()
	s := &Session{asked: cfg, Base: base, Train: tr, Val: val, Notes: append([]string(nil), base.Notes...)}
	s.Notes = append(s.Notes, tr.Notes()...)
	if !val.HeldOut {
		s.Notes = append(s.Notes, val.Faults()...)
	}
	chosen, err := ChooseTask(&cfg, base.Feed, tr, val)
	if err != nil {
		return nil, err
	}
	s.Task, s.targets = chosen.Task, chosen.targets
	s.Notes = append(s.Notes, chosen.notes...)
	s.Notes = append(s.Notes, cfg.ResolvePlan()...)
	o := cfg.NetworkOptions()
	o.Resolve = resolve
	trained := s.Task
	if base.Loss != nil {
		if trained, err = task.WithLoss(s.Task, base.Loss); err != nil {
			return nil, err
		}
	}
	net, err := split.New(base, trained, o)
	if err != nil {
		return nil, err
	}
	s.Net = net
	s.Plans = Plans{Reach: net.Plan, Now: net.Plan, Ever: net.Plan}
	s.Notes = append(s.Notes, s.Net.Headed.Notes...)
	s.Notes = append(s.Notes, s.Net.Headed.AdapterNotes()...)
	batch := cfg.Batch
	s.rateOpen = cfg.LR == 0
	cfg.Recipe(config.SubjectOf(s.Net.Headed, s.Net.Set, net.Plan, tr.Len()))
	cfg.Batch = min(cfg.Batch, tr.Len())
	s.Config = cfg
	if note := s.joinedNote(); note != "" {
		s.Notes = append(s.Notes, note)
	}
	if err := cfg.LRs(1).Validate(); err != nil {
		return nil, err
	}
	if err := s.checkRegularisation(); err != nil {
		return nil, err
	}
	s.idleOptions(batch)
	if err := s.begin(); err != nil {
		return nil, err
	}
	s.Net.Plan = s.Plans.Now // nothing is compiled yet
	s.active = NewActive(&s.Config, s.Net.IsNew)
	s.active.own(s.Net.Set, s.Plans.Ever)
	return s, s.active.Hold(s.Net.Set, s.Plans.Now)
}

// dataDigest identifies examples by their classes, their preparation and the contents of their
// files.
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
