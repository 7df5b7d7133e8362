package choose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// AdviseOptions say what advice is about.
type AdviseOptions struct {
	Config   config.Config         // Model, Data and how they are prepared
	Sets     run.Sets              // the caller's own examples, if any
	Progress func(done, total int) // called with the number of examples done; may be nil
	// Session is prepared from Config and tried already; the plans then have no predicted cost. Nil:
	// Advise prepares one.
	Session *run.Session
}

// DepthEvidence is the result of a linear probe at one depth of the frozen trunk.
type DepthEvidence struct {
	// the block that ends there, or "features" for the head's input
	Depth    string
	Blocks   int // blocks before it
	Features int // width of the pooled value
	Train    float64
	HeldOut  float64
	Error    float64 // standard error of that
	Gain     float64 // over the probe of the head's input
	GainErr  float64
	LogME    float64
}

// JointEvidence is the result of a linear probe that reads all probed depths at once, see
// JointProbe.
type JointEvidence struct {
	Features int
	Train    float64
	HeldOut  float64
	Gain     float64 // over the probe of the head's input
	Error    float64 // standard error of that
}

// Candidate is a plan with its evidence and its predicted cost.
type Candidate struct {
	Thaw    string
	Adapter string // trained beside the frozen layers
	// orders plans, see Weigh: an accuracy on new examples under ideal fine-tuning, not a
	// prediction
	Score      float64
	Seconds    float64
	Bytes      int64 // of memory while training
	Checkpoint int64
	Params     int
	Epochs     int
	// share of Σ|ḡ| over the trunk that lies in thawed weights: the first step of AdamW
	Pull  float64
	Depth float64 // share of the blocks in which something is thawed
}

// Recommendation is the plan to start with.
type Recommendation struct {
	Thaw   string
	Why    string
	Sure   string // high, medium or low
	Doubts string
}

// Advice is the evidence on what to thaw, and what it recommends.
type Advice struct {
	Recommended Recommendation
	Candidates  []Candidate
	Depths      []DepthEvidence // from the input to the head
	Joint       *JointEvidence
	Gradients   []BlockGradient
	// the best weights for half of a backward pass
	Elastic  *ElasticChoice
	Task     string
	Examples int
	Classes  int
	Params   int
	// accuracy of always answering the largest class
	Majority float64
	Seconds  float64
	Notes    []string

	Blocks []string // from the input to the head
}

// probedDepths is the number of depths at which a trunk is probed. probingBatches is the number of
// batches whose gradients are gathered.
const (
	probedDepths   = 6
	probingBatches = 8
)

// Advise gathers evidence on what to thaw of a model for a data set, without training the model:
// linear probes and LogME at several depths of the frozen trunk, gradient statistics from one
// probing pass, and the predicted cost of each plan in a ladder.
//
// Only tasks with one class for each example have probes. The plans of other tasks are not scored.
// Validation examples are not used. Advise errors as run.Prepare does.
func Advise(ctx context.Context, o AdviseOptions) (*Advice, error) {
	began := time.Now()
	cfg := o.Config
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	s, decode, err := o.prepare(ctx)
	if err != nil {
		return nil, err
	}
	a := &Advice{Examples: s.Train.Len(), Classes: len(s.Train.Classes), Params: s.ParamsTotal(), Notes: s.Notes, Blocks: s.Net.Set.Blocks, Gradients: []BlockGradient{}}
	a.Task = s.Task.Name()
	var start func(all *run.Session) error
	if task.KindOf(s.Task).Answers.Classes {
		probe, err := a.depths(ctx, o, s, labelsOf(s))
		if err != nil {
			return nil, err
		}
		start = probe.start
	} else if start, err = trained(ctx, s); err != nil {
		return nil, err
	}
	plans, err := ladder(s)
	if err != nil {
		return nil, err
	}
	pulls, err := a.gradients(ctx, cfg, s, start, plans)
	if err != nil {
		return nil, err
	}
	for i, p := range plans {
		a.Candidates = append(a.Candidates, Candidate{Thaw: p.Thaw[0], Adapter: p.Adapter, Pull: pulls[i].share, Depth: pulls[i].depth})
	}
	if o.Session == nil {
		costs, err := inspect.Costs(ctx, s, cfg, decode, plans)
		if err != nil {
			return nil, err
		}
		for i, of := range costs {
			c := &a.Candidates[i]
			c.Seconds, c.Bytes, c.Checkpoint, c.Params, c.Epochs = of.Seconds, of.TrainBytes, of.Checkpoint, of.ParamsThawed, of.Epochs
		}
	}
	if len(a.Depths) > 0 {
		Weigh(a)
	} else {
		a.guess()
	}
	a.Seconds = time.Since(began).Seconds()
	return a, nil
}

// prepare gives the session, and the seconds that it took to read an example.
func (o *AdviseOptions) prepare(ctx context.Context) (s *run.Session, decode float64, err error) {
	if o.Session != nil {
		return o.Session, 0, nil
	}
	began := time.Now()
	if s, err = run.PrepareOn(ctx, o.Config, o.Sets); err != nil {
		return nil, 0, err
	}
	decode = time.Since(began).Seconds() / float64(s.Train.Len()+s.Val.Len())
	return s, decode, s.Try(ctx)
}

// depths probes the frozen trunk at the ends of blocks and at the head's input, in one pass over
// the examples. It returns the probe of the head's input.
func (a *Advice) depths(ctx context.Context, o AdviseOptions, s *run.Session, labels []int) (*Probe, error) {
	cfg := o.Config
	places, err := s.Net.Depths()
	if err != nil {
		return nil, err
	}
	for len(places) > probedDepths { // evenly spaced, counted from the head
		var fewer []split.Depth
		for k := range probedDepths {
			fewer = append(fewer, places[len(places)-1-(probedDepths-1-k)*(len(places)-1)/(probedDepths-1)])
		}
		places = fewer
	}
	if attached := s.Net.AttachedTo(); len(places) > 0 && len(cfg.Attach) == 0 && attached != "" {
		for _, p := range places {
			cfg.Attach = append(cfg.Attach, p.Value)
		}
		cfg.Attach = append(cfg.Attach, attached)
		cfg.Cut = split.None // these end the model themselves
		all, err := run.NewSession(cfg, s.Base, s.Train, s.Val)
		if err != nil {
			return nil, err
		}
		all.Cache = s.Cache
		s = all
	}
	f, err := s.Features(ctx, s.Train, o.Progress)
	if err != nil {
		return nil, err
	}
	if len(f.Parts) != len(places)+1 {
		places = nil
	}
	picked := Subset(labels, most, cfg.Seed)
	y := pick(labels, 1, picked)
	together, notes, err := togetherOf(s, f, picked)
	if err != nil {
		return nil, err
	}
	a.Notes = append(a.Notes, notes...)
	at := 0
	var probes []*Probe
	var samples []*Sample
	for k, width := range f.Parts {
		x := make([]float32, 0, len(picked)*width)
		for _, i := range picked {
			x = append(x, f.Rows[i*f.Width+at:i*f.Width+at+width]...)
		}
		at += width
		sample, err := NewSample(x, width, y, a.Classes)
		if err != nil {
			return nil, fmt.Errorf("%s on %s: %w", cfg.Model, cfg.Data, err)
		}
		sample.Together = together
		a.Majority = sample.Majority()
		e := DepthEvidence{Depth: "features", Blocks: len(a.Blocks), Features: width}
		if k < len(places) {
			e.Depth, e.Blocks = a.Blocks[places[k].Blocks-1], places[k].Blocks
		}
		if e.LogME, err = LogME(sample); err != nil {
			return nil, err
		}
		probe, err := LinearProbe(sample, folds, cfg.Seed)
		if err != nil {
			return nil, err
		}
		e.Train, e.HeldOut, e.Error = probe.Train, probe.HeldOut, probe.Error
		a.Depths, probes, samples = append(a.Depths, e), append(probes, probe), append(samples, sample)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	head := probes[len(probes)-1]
	for k := range a.Depths[:len(probes)-1] {
		a.Depths[k].Gain, a.Depths[k].GainErr = gain(probes[k], head)
	}
	if len(samples) > 1 {
		joint, err := JointProbe(samples, folds, cfg.Seed)
		if err != nil {
			return nil, err
		}
		a.Joint = &JointEvidence{Features: f.Width, Train: joint.Train, HeldOut: joint.HeldOut}
		a.Joint.Gain, a.Joint.Error = gain(joint, head)
	}
	return head, nil
}

// pull is how much of the trunk a plan thaws, see Candidate.
type pull struct{ share, depth float64 }

// gradients runs the probing pass and gives how much each plan thaws. Start sets the head; running
// statistics stay as they are.
func (a *Advice) gradients(ctx context.Context, cfg config.Config, s *run.Session, start func(*run.Session) error, plans []inspect.Choice) ([]pull, error) {
	cfg.Thaw, cfg.BatchNorm = []string{"all"}, "frozen"
	all, err := run.NewSession(cfg, s.Base, s.Train, s.Val)
	if err != nil {
		return nil, err
	}
	if err := start(all); err != nil {
		return nil, err
	}
	traced, err := trace(ctx, all, probingBatches)
	if err != nil {
		return nil, err
	}
	costs, err := all.Net.BackwardCosts()
	if err != nil {
		return nil, err
	}
	blocks, choice := blockGradients(all.Net.Set.Blocks, traced, costs)
	a.Gradients, a.Elastic = append(a.Gradients, blocks...), choice
	tug := newTug(all.Net.Set, traced)
	pulls := make([]pull, len(plans))
	for i, plan := range plans {
		thaw := plan.Thaw
		if plan.Adapter != "" { // it changes what its layers compute, as thawing them would
			thaw = []string{"all"}
		}
		ws, err := all.Net.Set.Select(thaw)
		if err != nil {
			return nil, err
		}
		pulls[i] = tug.pull(ws)
	}
	return pulls, nil
}

// tug is how strongly gradients pull at each weight of a trunk.
type tug struct {
	set   *freeze.Set
	steps map[string]float64 // Step by the name of a weight
	total float64
}

func newTug(set *freeze.Set, traced []*Traced) *tug {
	t := &tug{set: set, steps: map[string]float64{}}
	for _, w := range traced {
		t.steps[w.Weight.Name] = w.Step()
		t.total += w.Step()
	}
	return t
}

// pull is how much of the trunk is thawed with these weights.
func (t *tug) pull(ws []*freeze.Weight) pull {
	var p pull
	touched := map[int]bool{}
	for _, w := range ws {
		if w.Block >= 0 {
			touched[w.Block] = true
			if t.total > 0 {
				p.share += t.steps[w.Name] / t.total
			}
		}
	}
	p.depth = float64(len(touched)) / float64(max(1, len(t.set.Blocks)))
	return p
}

// start sets a session's fresh head to the probe.
func (p *Probe) start(all *run.Session) error {
	weight, bias, err := p.Head()
	if err != nil {
		return err
	}
	if err := all.SetHead(weight, bias); err != nil {
		return err
	}
	return all.StandardiseHead(p.Standard())
}

// trained trains a head alone, for tasks without a probe in closed form. The model's own head is
// taken as it is.
func trained(ctx context.Context, s *run.Session) (func(all *run.Session) error, error) {
	if !s.Net.Headed.Fresh {
		return func(*run.Session) error { return nil }, nil
	}
	head, err := s.With(s.Config.Probe(), s.Train, s.Val)
	if err != nil {
		return nil, err
	}
	if _, err := head.Fit(ctx, nil, false); err != nil {
		return nil, err
	}
	return func(all *run.Session) error {
		all.Net.Norm = head.Net.Norm
		return all.StartFrom(head.Head())
	}, nil
}

// adapters are the adapters in the ladder, see adapter.Parse.
var adapters = []string{"lora:4", "ia3"}

// ladder lists the plans that are worth comparing: the head, the last blocks in growing steps,
// norms and biases where the model has them, everything, and adapters where the model has layers
// for them.
func ladder(s *run.Session) ([]inspect.Choice, error) {
	plans := []inspect.Choice{{Thaw: []string{"head"}}}
	add := func(thaw string) { plans = append(plans, inspect.Choice{Thaw: []string{thaw}}) }
	for _, n := range Steps(len(s.Net.Set.Blocks)) {
		add(fmt.Sprintf("head,last:%d", n))
	}
	for _, kind := range []string{"norm", "bias"} {
		ws, err := s.Net.Set.Select([]string{"kind:" + kind, "!head"})
		if err == nil && len(ws) > 0 {
			add("head,kind:" + kind)
		}
	}
	add("all")
	for _, a := range adapters {
		cfg := s.Config
		cfg.Adapter = a
		if _, err := s.With(cfg, s.Train, s.Val); errors.Is(err, adapter.ErrNone) {
			continue
		} else if err != nil {
			return nil, err
		}
		plans = append(plans, inspect.Choice{Thaw: []string{"head,kind:adapter"}, Adapter: a})
	}
	return plans, nil
}

// Steps gives the numbers of last blocks that are worth comparing: 1, 2, 4 and so on.
func Steps(blocks int) []int {
	var out []int
	for n := 1; n < blocks; n *= 2 {
		out = append(out, n)
	}
	return out
}
