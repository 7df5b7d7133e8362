package auto

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/run"
)

const (
	folds      = 5       // parts of the training examples, at least
	fewFolds   = 3       // of few examples: a part of less tells nothing
	few        = 250     // training examples
	maxHeldOut = 2000    // examples of a part, at most
	mostOpen   = 12      // fits that pause at a time
	mostBytes  = 2 << 30 // memory that they keep: weights, activations and what the optimiser needs
)

// part is a division of the training examples.
type part struct {
	train, held      *data.Dataset
	at               []int // the training examples in the whole
	trained, heldOut int   // examples in them
}

// divide divides the training examples. Each example is held out in one part, and nearly equal ones
// in the same. Very few examples are divided twice.
func divide(s *run.Session, near []int) ([]part, error) {
	parts, err := divideBy(s, near, s.Config.Seed)
	if err == nil && s.Train.Len() < fewExamples {
		var more []part
		more, err = divideBy(s, near, s.Config.Seed+1)
		parts = append(parts, more...)
	}
	return parts, err
}

func divideBy(s *run.Session, near []int, seed uint64) ([]part, error) {
	n := s.Train.Len()
	k := folds
	if n < few {
		k = fewFolds
	}
	all, err := s.Train.Folds(max(k, (n+maxHeldOut-1)/maxHeldOut), seed, near)
	if err != nil {
		return nil, err
	}
	var parts []part
	for i, held := range all {
		if len(held) == 0 || len(held) == n {
			continue
		}
		train := slices.Concat(slices.Delete(slices.Clone(all), i, i+1)...)
		slices.Sort(train)
		held = held[:min(len(held), maxHeldOut)]
		parts = append(parts, part{s.Train.Subset(train), s.Train.HeldOutSubset(held), train, len(train), len(held)})
	}
	return parts, nil
}

// bench trains choices. Fits pause until they go on.
type bench struct {
	session *run.Session
	choices []*choice
	parts   []part
	changed *changed
	open    []*pausing // the longest waiting first
}

type pausing struct {
	choice, part int
	session      *run.Session
	fit          *run.Held
	bytes        int64 // of memory
}

// advance goes on with a fit, or begins it. A fit that was closed because too many were open starts
// again, to the same result.
func (b *bench) advance(ctx context.Context, c, p int, share float64) (*measured, error) {
	f, err := b.take(ctx, c, p)
	if err != nil {
		return nil, err
	}
	err = train(ctx, f.fit, share)
	var diverged *run.DivergedError
	switch {
	case errors.As(err, &diverged):
		f.fit.Close() // of a fit that is given up
		return &measured{failed: "its loss became infinite or NaN"}, nil
	case err != nil:
		f.fit.Close() // likewise
		return nil, err
	}
	m := b.measured(f)
	if share >= 1 || m.failed != "" {
		f.fit.Close() // of a fit that has ended
		return m, nil
	}
	f.bytes = f.session.TrainBytes()
	b.open = append(b.open, f)
	return m, nil
}

// take opens a fit, or takes the one that pauses.
func (b *bench) take(ctx context.Context, c, p int) (*pausing, error) {
	if k := slices.IndexFunc(b.open, func(f *pausing) bool { return f.choice == c && f.part == p }); k >= 0 {
		f := b.open[k]
		b.open = slices.Delete(b.open, k, k+1)
		return f, nil
	}
	kept := int64(0)
	for _, f := range b.open {
		kept += f.bytes
	}
	for len(b.open) > 0 && (len(b.open) >= mostOpen || kept > mostBytes) {
		kept -= b.open[0].bytes
		b.open[0].fit.Close() // of a fit that is given up
		b.open = slices.Delete(b.open, 0, 1)
	}
	cfg := b.choices[c].cfg
	cfg.Keep, cfg.Patience, cfg.Out = "last", 0, ""
	tr := b.parts[p].train
	if b.choices[c].changes {
		all, err := b.changed.train(ctx)
		if err != nil {
			return nil, err
		}
		tr = all.Subset(b.parts[p].at)
	}
	s, err := b.session.With(cfg, tr, b.parts[p].held)
	if err != nil {
		return nil, err
	}
	s.MeasureEach = true
	f := &pausing{choice: c, part: p, session: s}
	f.fit, err = s.Hold(ctx, nil, false)
	return f, err
}

// train takes a fit to a share of its steps and measures it there.
func train(ctx context.Context, f *run.Held, share float64) error {
	step, _, all := f.Progress()
	for target := max(1, int(math.Round(share*float64(all)))); step < target || share >= 1; step, _, _ = f.Progress() {
		if _, err := f.Step(ctx); errors.Is(err, io.EOF) {
			return nil // measured at its last epoch
		} else if err != nil {
			return err
		}
	}
	_, err := f.Eval(ctx)
	return err
}

// measured is what the last measurement of a fit shows.
func (b *bench) measured(f *pausing) *measured {
	t, each := b.session.Task, f.fit.Each()
	all := total(t, each)
	m := &measured{metric: all.Score().Metric, held: len(each), scores: f.fit.Scores(), guess: guessed(t, all)}
	if m.scores != nil {
		m.guess = math.Log(float64(m.scores.Classes))
	} else {
		m.each = chunked(t, each)
	}
	if !all.Score().Finite() {
		m.failed = "its score became infinite or NaN"
	}
	return m
}

// drop closes the fits of a choice that goes no further.
func (b *bench) drop(c int) {
	b.open = slices.DeleteFunc(b.open, func(f *pausing) bool {
		if f.choice != c {
			return false
		}
		f.fit.Close() // of a fit that is given up
		return true
	})
}

// close closes all fits.
func (b *bench) close() {
	for _, f := range b.open {
		f.fit.Close() // of a fit that is given up
	}
	b.open = nil
}
