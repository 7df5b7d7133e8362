package inspect

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Prediction is the expected cost of a fit. Times come from runs of a few examples on this machine.
type Prediction struct {
	// all from the start of the fit: reading the data, compiling, the frozen region, whose values are
	// then kept, the features that a new head is standardised by, and the epoch itself
	FirstEpoch float64
	LaterEpoch float64
	// weights, gradients, optimiser state and activations; kept values are counted below
	TrainBytes int64
	// frontier values of all examples, in memory or on disk
	KeptBytes int64
	// the part of KeptBytes that is held in memory; 0 with option cache disk or off
	KeptMemory int64
	Checkpoint int64
	// frontier values; 0 if they are always recomputed
	CachePerExample int64

	Examples   int
	Decode     float64 // 0 without data
	Frozen     float64
	Live       float64
	Calibrated float64
}

// forwardPart is how much of a training step its forward pass takes, about.
const forwardPart = 1. / 3

// predict times a few examples and extrapolates.
func (t *trainable) predict(ctx context.Context, p *probe, examples, val int, decode float64) (*Prediction, error) {
	began := time.Now()
	batch := min(t.cfg.Batch, max(examples, 1))
	if p.base.Fixed {
		batch = 1
	}
	r := &Prediction{Examples: examples, Decode: decode}
	shares, err := t.net.Shares()
	if err != nil {
		return nil, err
	}
	for _, s := range shares {
		r.CachePerExample += int64(s.Bytes(int(math.Round(max(p.steps.mean, 1)))))
	}
	o, err := t.net.Outline()
	if err != nil {
		return nil, err
	}
	validated := cmp.Or(val, examples)
	chunk, evalBatch := p.chunk(max(examples, val)), p.evalBatch(batch, validated)
	if err := ctx.Err(); err != nil { // compiling takes its time
		return nil, err
	}
	var compiled time.Duration // of all programs, for examples of one length
	frozen, err := t.timeFrozen(ctx, p, r, o.Work(), chunk, &compiled)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	liveBytes, err := t.timeLive(ctx, p, r, batch, evalBatch, &compiled)
	if err != nil {
		return nil, err
	}
	kept := r.CachePerExample * int64(examples+val)
	options := t.cfg.KeepOptions()
	cached, inMemory := options.Predict(kept, r.CachePerExample, r.Decode+r.Frozen)
	cached = cached && o.WorthKeeping()
	encode := (r.Decode + r.Frozen) * float64(examples+val)
	live := r.Live * (float64(examples) + float64(val)*forwardPart)
	r.FirstEpoch, r.LaterEpoch = encode+live+compiled.Seconds()*float64(p.steps.distinct), live
	if t.net.Headed.Fresh {
		r.FirstEpoch += r.Live * float64(examples) * forwardPart
	}
	if !cached {
		r.LaterEpoch += r.Frozen * float64(examples+val)
		r.CachePerExample, kept, inMemory = 0, 0, 0
	}
	thawed := int64(4 * t.net.Plan.Thawed(t.net.Set).Elements())
	states := thawed * int64(t.cfg.NewOptimizer().StateCount())
	r.Checkpoint = thawed + states
	for _, w := range t.net.Set.Weights {
		if t.net.Plan.Of(w.Name).State == freeze.Tracking {
			r.Checkpoint += int64(w.Value.Type.Bytes())
		}
	}
	if !cached && p.base.Form() == nil { // each batch goes through both regions
		chunk = evalBatch
	}
	r.TrainBytes = int64(p.base.Model.Size()) + 2*thawed + states + max(liveBytes, frozen(chunk))
	r.KeptBytes, r.KeptMemory = kept, inMemory
	r.Calibrated = time.Since(began).Seconds()
	return r, nil
}

// timeFrozen measures the frozen region for one example, whose operations at the least length are
// work, in chunks. It returns the memory that it takes for so many examples at once.
func (t *trainable) timeFrozen(ctx context.Context, p *probe, r *Prediction, work int64, chunk int, compiled *time.Duration) (bytes func(examples int) int64, err error) {
	net, each := t.sized, 1.
	switch form := p.base.Form(); {
	case form == nil:
	case form.Rows: // runs on the windows that count, whatever example they are of
		net, each = t.net.At(1), p.steps.mean
	default:
		each = p.steps.padded / float64(net.Length)
	}
	n := t.trialExamples(work*int64(max(net.Length, 1))/int64(max(t.net.Length, 1)), chunk)
	began := time.Now()
	program, err := net.Frozen(n)
	*compiled += time.Since(began)
	if err != nil {
		return nil, err
	}
	defer t.net.ReleaseFrozen()
	in := madeUp(program.Graph().Inputs, t.cfg.Seed)
	took, err := t.clock(&t.rates.Frozen, program.Graph().FLOPs(), func() error { _, err := program.Run(ctx, in...); return err })
	r.Frozen = each * took / float64(n)
	return func(examples int) int64 { return net.BytesFor(program, float64(examples)/float64(n)) }, err
}

// timeLive measures a training step for one example. It returns the memory of a whole batch's, of
// the longest examples, and of so many examples' validation.
func (t *trainable) timeLive(ctx context.Context, p *probe, r *Prediction, batch, validated int, compiled *time.Duration) (int64, error) {
	s, err := t.sized.Train(1)
	if err != nil {
		return 0, err
	}
	flops := s.Program.Graph().FLOPs() // of one example
	n := t.trialExamples(flops, batch)
	if n > 1 {
		t.sized.ReleaseStep(1)
		began := time.Now()
		if s, err = t.sized.Train(n); err != nil {
			return 0, err
		}
		*compiled += time.Since(began)
	}
	took, err := t.timeStep(ctx, s, t.sized, n)
	if err != nil {
		return 0, err
	}
	r.Live = took / float64(n)
	longest := t.sized
	if form := p.base.Form(); form != nil {
		if r.Live, err = t.meanStep(ctx, p, took, n); err != nil {
			return 0, err
		}
		longest, n = t.net.At(p.steps.longest), batch
		if s, err = longest.Train(n); err != nil {
			return 0, err
		}
	}
	eval, err := longest.Eval(n)
	if err != nil {
		return 0, err
	}
	scale := 1 / float64(n)
	return max(longest.BytesFor(s.Program, scale*float64(batch)), longest.BytesFor(eval, scale*float64(validated))), nil
}

// updatedAtOnce is how many numbers a timed update has in memory, with their gradients and states.
const updatedAtOnce = 1 << 20

// update returns a function that takes as long as updating the plan's thawed weights does. It updates
// the same made-up numbers again and again.
func (t *trainable) update() (func() error, error) {
	total := t.net.Plan.Thawed(t.net.Set).Elements()
	n := max(1, min(total, updatedAtOnce))
	opt := t.cfg.NewOptimizer()
	err := opt.Add(&optim.Slot{Name: "part", Value: tensor.New(tensor.Float32, n), Grad: tensor.New(tensor.Float32, n), LR: 1, Decay: true})
	return func() error {
		for done := 0; done < total; done += n {
			if err := opt.Step(0); err != nil {
				return err
			}
		}
		return nil
	}, err
}

// timeStep measures the training step of n examples.
func (t *trainable) timeStep(ctx context.Context, s *split.Step, net *split.Network, n int) (float64, error) {
	update, err := t.update()
	if err != nil {
		return 0, err
	}
	in := madeUp(s.Program.Graph().Inputs, t.cfg.Seed)
	copy(in[s.FirstLabel():], madeUpLabels(net.Task, n, s.Program.OutputTensor(1).Shape))
	return t.clock(&t.rates.Live, s.Program.Graph().FLOPs(), func() error {
		if _, err := s.Program.Run(ctx, in...); err != nil {
			return err
		}
		return update()
	})
}

// meanStep is the time of a training step for one example of the mean length, where n of the typical
// one take so long. A step of short examples takes longer than their length says, as every operation
// costs something: the shortest are measured too, and times lie on the line through both. Rates
// become those of the mean length.
func (t *trainable) meanStep(ctx context.Context, p *probe, typical float64, n int) (float64, error) {
	padded := p.steps.padded
	mean := typical * padded / float64(t.sized.Length)
	short := t.net.At(p.base.Form().Bucket(1))
	if !t.guess && short.Length < t.sized.Length {
		s, err := short.Train(n)
		if err != nil {
			return 0, err
		}
		rate := t.rates.Live
		least, err := t.timeStep(ctx, s, short, n)
		short.ReleaseStep(n)
		if err != nil {
			return 0, err
		}
		slope := max(0, typical-least) / float64(t.sized.Length-short.Length)
		linear := mean
		mean = least + slope*max(0, padded-float64(short.Length))
		t.rates.Live = rate * linear / mean
	}
	return mean / float64(n), nil
}

// chunk returns how many of so many examples of the typical length the frozen region processes at
// once; for examples that are rows, how many rows.
func (p *probe) chunk(examples int) int {
	switch form := p.base.Form(); {
	case p.base.Fixed:
		return 1
	case form == nil:
		elements := 0
		for _, s := range p.batch(1) {
			elements += s.Len()
		}
		return min(split.ChunkOf(elements), examples)
	case form.Rows:
		return p.typical() * min(keep.TextsAtOnce(keep.Chunk(*form), p.typical()), examples)
	default:
		return min(keep.TextsAtOnce(keep.Chunk(*form), p.typical()), examples)
	}
}

// evalBatch is how many of so many examples a fit validates at once.
func (p *probe) evalBatch(batch, validated int) int {
	if p.base.Fixed || p.base.Form() != nil {
		return batch
	}
	return max(batch, p.chunk(validated))
}

// A calibration run should take about trialSeconds on a slow machine, and all of them together
// trialsSeconds.
const (
	trialSeconds  = 0.3
	trialsSeconds = 0.9
	slowFLOPS     = 20e9
)

// hastyPart is the part of it that a hasty prediction takes.
const hastyPart = 0.25

// trialExamples is how many examples with that many operations are run at once, at most as many as
// the fit runs.
func (t *trainable) trialExamples(flops int64, most int) int {
	seconds := trialSeconds
	if t.hasty {
		seconds *= hastyPart
	}
	return max(1, min(most, int(slowFLOPS*seconds/float64(max(flops, 1)))))
}

// Rates are operations a second on this machine: of the frozen part, and of a training step with its
// gradients and its update. 0 stands for a part that has none.
type Rates struct{ Frozen, Live float64 }

// clock returns the usual time of a few runs with so many operations in seconds. Where a rate is
// given it tells the time, and nothing runs; else it is what was measured.
func (t *trainable) clock(rate *float64, flops int64, f func() error) (float64, error) {
	if t.guess {
		if *rate == 0 {
			return float64(flops) / slowFLOPS, nil
		}
		return float64(flops) / *rate, nil
	}
	usual, err := t.usual(f)
	if *rate = float64(flops) / usual; err != nil || usual == 0 {
		*rate = 0
	}
	return usual, err
}

// usual is the median time of a few runs, after one that warms up: what other programs take of the
// machine they will take of the fit as well.
func (t *trainable) usual(f func() error) (float64, error) {
	most, least := 12, trialsSeconds
	if t.hasty {
		most, least = 4, trialsSeconds*hastyPart/3
	}
	var took []float64
	for began := time.Now(); len(took) < 2 || len(took) < most && time.Since(began).Seconds() < least; {
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start).Seconds())
		if took[0] > trialsSeconds {
			return took[0], nil
		}
	}
	took = took[1:]
	slices.Sort(took)
	return took[(len(took)-1)/2], nil
}
