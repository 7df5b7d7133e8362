package trials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/task"
)

const (
	folds      = 5    // parts of the training examples, of which one is held out
	maxHeldOut = 2000 // examples of the held-out part
	enough     = 200  // held-out examples after which no further part is held out in turn
	minimum    = 10   // training examples that a search needs
)

// Bench trains trials. It is for one goroutine at a time.
type Bench struct {
	session *run.Session  // on all training examples
	user    config.Config // the options that all trials share
	limits  space.Limits
	parts   []part
	open    map[int]*trial
	costs   map[string]cost // by the network
}

// part is a division of the training examples.
type part struct{ train, held *data.Dataset }

// trial is one that has begun and may go on.
type trial struct {
	fits    []*run.Held // by part
	outcome Outcome
}

// Outcome is what a trial has measured so far.
type Outcome struct {
	Score        float64     `json:"score"` // the metric on held-out training examples; larger is better
	Metric       *task.Named `json:"metric,omitempty"`
	Loss         float64     `json:"loss"`
	Epochs       int         `json:"epochs"`
	Seconds      float64     `json:"seconds"` // of its training
	ParamsTotal  int         `json:"params_total"`
	ParamsThawed int         `json:"params_thawed"`
	Bytes        int64       `json:"bytes"`      // of all weights
	LatencyMS    float64     `json:"latency_ms"` // of one example
	Work         float64     `json:"work"`       // floating-point operations of its training, counted
	LR           float64     `json:"lr"`
	Failed       string      `json:"failed,omitempty"` // why there is no score
}

// NewBench divides the training examples of a session. user holds the options that all trials
// share, as the user gave them. Near says which training examples are nearly equal, see
// data.Dataset.Folds. It errors where the examples are too few.
func NewBench(s *run.Session, user config.Config, limits space.Limits, near []int) (*Bench, error) {
	n := s.Train.Len()
	if n < minimum {
		return nil, fmt.Errorf("%d training examples are too few for a search: it holds a fifth of them out, and needs %d", n, minimum)
	}
	b := &Bench{session: s, user: user, limits: limits, open: map[int]*trial{}, costs: map[string]cost{}}
	k := max(folds, (n+maxHeldOut-1)/maxHeldOut)
	all, err := s.Train.Folds(k, s.Config.Seed, near)
	if err != nil {
		return nil, err
	}
	for i, held := range all {
		if len(held) == 0 || len(held) == n || b.HeldOut() >= enough {
			continue
		}
		train := slices.Concat(slices.Delete(slices.Clone(all), i, i+1)...)
		slices.Sort(train)
		b.parts = append(b.parts, part{s.Train.Subset(train), s.Train.HeldOutSubset(held[:min(len(held), maxHeldOut)])})
	}
	return b, nil
}

// HeldOut is the number of examples on which a trial is measured.
func (b *Bench) HeldOut() int {
	n := 0
	for _, p := range b.parts {
		n += p.held.Len()
	}
	return n
}

// Parts is the number of times that a trial trains, each time without another part of the examples.
func (b *Bench) Parts() int { return len(b.parts) }

// Check errors where a value of the space does not fit the model or the other options: each listed
// value, and both ends of each range, is tried in the point that the space begins with.
func (b *Bench) Check(s *space.Space) error {
	for i := range s.Params() {
		p := &s.Params()[i]
		for _, v := range ends(p) {
			point, err := s.Complete(space.NewPoint(space.Setting{Name: p.Name, Value: v}), random.For(b.session.Config.Seed, random.Search, -1-i))
			if err != nil {
				return fmt.Errorf("%s: %s: %w", p.Name, v, err)
			}
			if _, err := b.prepare(point, b.session.Train, b.session.Val); err != nil {
				return fmt.Errorf("%s: %s: %w", p.Name, v, err)
			}
		}
	}
	return nil
}

func ends(p *space.Param) []space.Value {
	if len(p.Values) > 0 {
		return p.Values
	}
	return []space.Value{space.Number(p.Low), space.Number(p.High)}
}

// prepare prepares the fit of a point.
func (b *Bench) prepare(p space.Point, train, held *data.Dataset) (*run.Session, error) {
	cfg, err := Apply(b.user, p)
	if err != nil {
		return nil, err
	}
	cfg.Out, cfg.Keep, cfg.Patience = "", "last", 0
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s, err := b.session.With(cfg, train, held)
	if err != nil {
		return nil, err
	}
	s.Brief = true
	return s, nil
}

// Run takes a trial to the end of a rung. What can be wrong with a trial is told by
// Outcome.Failed; an error ends the search. A trial whose beginning another process ran, or that a
// killed one left, is run again from its start, to the same result.
func (b *Bench) Run(ctx context.Context, t search.Task) (of Outcome, err error) {
	defer func() {
		if ctx.Err() != nil && err != nil {
			err = ctx.Err()
		}
	}()
	began := time.Now()
	at := b.open[t.Trial]
	if at == nil {
		at = &trial{}
		if reason, err := b.begin(ctx, at, t.Point); err != nil || reason != "" {
			at.close()
			return Outcome{Failed: reason}, err
		}
		b.open[t.Trial] = at
	}
	if err := b.advance(ctx, at, t.To); err != nil {
		b.Drop(t.Trial)
		var diverged *run.DivergedError
		if errors.As(err, &diverged) {
			at.outcome.Failed = "its loss became infinite or not a number"
			return at.outcome, nil
		}
		return at.outcome, err
	}
	at.outcome.Seconds += time.Since(began).Seconds()
	return at.outcome, nil
}

// Drop releases what is kept of a trial that goes no further.
func (b *Bench) Drop(n int) {
	if t := b.open[n]; t != nil {
		t.close()
		delete(b.open, n)
	}
}

// Close releases everything.
func (b *Bench) Close() {
	for n := range b.open {
		b.Drop(n)
	}
}

func (t *trial) close() {
	for _, f := range t.fits {
		f.Close() // of a fit that is given up
	}
}

// begin opens the fits of a trial. It gives the reason where the trial cannot run.
func (b *Bench) begin(ctx context.Context, t *trial, p space.Point) (reason string, err error) {
	for k, part := range b.parts {
		s, err := b.prepare(p, part.train, part.held)
		if err != nil {
			return err.Error(), nil
		}
		if err := s.Check(); err != nil {
			return err.Error(), nil
		}
		if k == 0 {
			c, err := b.cost(ctx, s)
			if err != nil {
				return "", err
			}
			w, err := work(s, len(b.parts))
			if err != nil {
				return "", err
			}
			t.outcome = Outcome{ParamsTotal: s.ParamsTotal(), ParamsThawed: s.Plans.Ever.Thawed(s.Net.Set).Elements(), Bytes: c.bytes, LatencyMS: c.latency, Work: w, LR: s.Config.LR}
			if reason := over(b.limits, t.outcome); reason != "" {
				return reason, nil
			}
		}
		f, err := s.Hold(ctx, nil, false)
		if err != nil {
			return "", err
		}
		t.fits = append(t.fits, f)
	}
	return "", nil
}

// advance trains every fit of a trial to a share of its epochs in percent, 0 for all of them, and
// measures it.
func (b *Bench) advance(ctx context.Context, t *trial, percent int) error {
	total := b.session.Task.NewMetrics()
	for _, f := range t.fits {
		m, err := b.train(ctx, f, percent)
		if err != nil {
			return err
		}
		total.Merge(m)
		step, epoch, _ := f.Progress()
		t.outcome.Epochs = (step + epoch - 1) / epoch
	}
	score := total.Score()
	if !score.Finite() {
		t.outcome.Failed = "its score became infinite or not a number"
		return nil // with the score of the rung before: the log holds finite numbers only
	}
	t.outcome.Score, t.outcome.Loss, t.outcome.Metric = score.Metric, score.Loss, total.Named()
	return nil
}

// train goes on with one fit, in whole epochs, and measures it.
func (b *Bench) train(ctx context.Context, f *run.Held, percent int) (*task.Metrics, error) {
	step, epoch, all := f.Progress()
	target := all
	if percent > 0 {
		target = min(all, epoch*max(1, int(math.Round(float64(all/epoch)*float64(percent)/100))))
	}
	for ; step < target; step, _, _ = f.Progress() {
		if _, err := f.Step(ctx); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if target < all {
		return f.Eval(ctx)
	}
	r, err := f.Finish(ctx)
	if err != nil {
		return nil, err
	}
	return r.Val, nil
}

// over says which limit of the space a network breaks, "" for none.
func over(l space.Limits, o Outcome) string {
	switch {
	case l.Params > 0 && int64(o.ParamsTotal) > l.Params:
		return fmt.Sprintf("%d parameters, max_params is %d", o.ParamsTotal, l.Params)
	case l.Bytes > 0 && o.Bytes > l.Bytes:
		return fmt.Sprintf("%d bytes of weights, max_bytes is %d", o.Bytes, l.Bytes)
	case l.LatencyMS > 0 && o.LatencyMS > l.LatencyMS:
		return fmt.Sprintf("%.3g ms an example, max_latency_ms is %g", o.LatencyMS, l.LatencyMS)
	}
	return ""
}
