package trials

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
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
	session   *run.Session  // on all training examples
	user      config.Config // the options that all trials share
	limits    space.Limits
	parts     []part
	division  string      // see Division
	shelf     *keep.Shelf // frozen values of all training examples
	open      map[int]*trial
	costs     map[string]cost // by the network
	standards standards       // of heads
	sinks     []report.Sink   // of the events of all fits; they are called from several goroutines
}

// part is a division of the training examples.
type part struct {
	train, held     *data.Dataset
	trainAt, heldAt []int // their indices among all training examples
}

// trial is one that has begun and may go on.
type trial struct {
	fits    []*run.Held // by part; nil before its fit begins and after it has ended
	outcome Outcome
	step    int64 // bytes of a training step
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
	s.Base.Share()
	b := &Bench{session: s, user: user, limits: limits, shelf: keep.NewShelf(s.Train), open: map[int]*trial{}, costs: map[string]cost{}}
	k := max(folds, (n+maxHeldOut-1)/maxHeldOut)
	all, err := s.Train.Folds(k, s.Config.Seed, near)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	for i, held := range all {
		if len(held) == 0 || len(held) == n || b.HeldOut() >= enough {
			continue
		}
		train := slices.Concat(slices.Delete(slices.Clone(all), i, i+1)...)
		slices.Sort(train)
		fmt.Fprintln(h, train, held)
		held = held[:min(len(held), maxHeldOut)]
		b.parts = append(b.parts, part{s.Train.Subset(train), s.Train.HeldOutSubset(held), train, held})
	}
	b.division = hex.EncodeToString(h.Sum(nil))
	return b, nil
}

// NewBenchFor is NewBench with the limits of a space in YAML.
func NewBenchFor(s *run.Session, user config.Config, yaml string, near []int) (*Bench, error) {
	sp, err := space.Parse([]byte(yaml), Known(s))
	if err != nil {
		return nil, err
	}
	return NewBench(s, user, sp.Limits(), near)
}

// Division is a digest of which training examples are held out from which others.
func (b *Bench) Division() string { return b.division }

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
	times, err := timesOf(&cfg, p)
	if err != nil {
		return nil, err
	}
	s, err := b.session.With(cfg, train, held)
	if err != nil {
		return nil, err
	}
	s.Config.LR *= times
	s.Brief = true
	return s, nil
}

// Drop releases what is kept of a trial that goes no further.
func (b *Bench) Drop(n int) {
	if t := b.open[n]; t != nil {
		t.close()
		delete(b.open, n)
	}
}

// DropBut releases what is kept of all trials but those given.
func (b *Bench) DropBut(open []int) {
	for n := range b.open {
		if !slices.Contains(open, n) {
			b.Drop(n)
		}
	}
}

// Close releases everything.
func (b *Bench) Close() {
	for n := range b.open {
		b.Drop(n)
	}
}

// going reports whether a fit of the trial may go on.
func (t *trial) going() bool {
	return slices.ContainsFunc(t.fits, func(f *run.Held) bool { return f != nil })
}

func (t *trial) close() {
	for k, f := range t.fits {
		if f != nil {
			f.Close() // of a fit that is given up
			t.fits[k] = nil
		}
	}
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
