package run

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Local trains the weights of a session for a while at a time, between exchanges with others. What
// is exchanged is one vector: the thawed elements of every weight that the plan trains, in the order
// of the model's weights, and then the running statistics that follow the data. It is for one
// goroutine. Several Locals of one Base may train beside each other.
type Local struct {
	f      *loop
	pieces []Piece
	slots  []*optim.Slot // by piece
	units  []string
	unit   map[string]int // by the name of a weight that trains
	batch  int            // of the recipe

	kept *keep.Kept // frozen values; nil: computed in every epoch
	at   []int      // the indices of the training examples among those kept
	seal map[string]string
	nets map[string]narrow // by the digest of the plan
}

// Piece is a part of the vector of a Local.
type Piece struct {
	Name      string
	Len       int
	Unit      int  // index into Units
	Statistic bool // a running statistic, which no optimiser moves
	Positive  bool // its numbers are not below 0
}

// narrow is the network of a plan that trains less than all of the vector.
type narrow struct {
	net    *split.Network
	frozen uint64 // of the rest of the vector: its values are constants of the network
}

// Leg is what a Local does between two exchanges.
type Leg struct {
	First  int     // the first epoch, in the numbering of the whole training, from 0
	Epochs int     // passes over the examples
	LR     float64 // learning rate of all of them
	Falls  bool    // the rate falls from LR as the session's lr_schedule says
	Seed   uint64  // of the order of the examples and of all else that is random
	Prox   float64 // weight of half the squared distance from where the leg began, added to the loss
	Active []bool  // which numbers of the vector may change; nil for all
}

// Trained is what a leg was like.
type Trained struct {
	Examples int
	Steps    int
	Loss     float64 // mean over the examples of the last epoch, while it trained
	Accuracy float64
}

// Local makes the session a Local, with fresh heads reading features as standard says; nil leaves
// them as they are. The session must not be fitted. It errors where the session has a schedule.
func (s *Session) Local(standard *split.Standard) (*Local, error) {
	if s.stage.schedule != nil {
		return nil, errors.New("run: a session with a schedule cannot be exchanged")
	}
	if standard != nil {
		if !s.Net.Headed.Fresh || len(standard.Mean) != s.Net.Headed.Features {
			return nil, fmt.Errorf("run: a standardisation of %d features for a head that reads %d", len(standard.Mean), s.Net.Headed.Features)
		}
		s.Net.Norm = standard
	}
	l := &Local{f: &loop{session: s, events: report.NewEvents(), frontier: &keep.Encoders{}}, batch: s.Config.Batch, nets: map[string]narrow{}}
	units, of := unitsOf(s.Net.Set, s.Plans.Reach)
	l.unit = of
	for _, u := range units {
		l.units = append(l.units, u.Name)
	}
	for _, slot := range s.active.params(s.Net.Set) {
		l.slots = append(l.slots, slot)
		l.pieces = append(l.pieces, Piece{Name: slot.Name, Len: slot.Len(), Unit: of[slot.Name]})
	}
	for _, w := range s.Net.Set.Weights {
		if s.Plans.Reach.Of(w.Name).State == freeze.Tracking {
			l.slots = append(l.slots, &optim.Slot{Name: w.Name, Value: w.Value.Data})
			l.pieces = append(l.pieces, Piece{Name: w.Name, Len: w.Len(), Unit: l.unitOf(w, of), Statistic: true, Positive: w.Variance})
		}
	}
	return l, nil
}

// unitOf is the unit of a running statistic: that of its block.
func (l *Local) unitOf(w *freeze.Weight, of map[string]int) int {
	set := l.f.session.Net.Set
	for name, unit := range of {
		if o := set.ByName(name); o.Block == w.Block && o.Head == w.Head {
			return unit
		}
	}
	return len(l.units) - 1
}

// Pieces are the parts of the vector, in order.
func (l *Local) Pieces() []Piece { return l.pieces }

// Units are the blocks whose weights train, from the input on, and then the head.
func (l *Local) Units() []string { return l.units }

// Session is the session that trains.
func (l *Local) Session() *Session { return l.f.session }

// Len is the length of the vector.
func (l *Local) Len() int {
	n := 0
	for _, p := range l.pieces {
		n += p.Len
	}
	return n
}

// Weights is a copy of the vector.
func (l *Local) Weights() []float32 {
	out := make([]float32, l.Len())
	at := 0
	for i, s := range l.slots {
		s.Gather(out[at:at+l.pieces[i].Len], s.Value)
		at += l.pieces[i].Len
	}
	return out
}

// SetWeights puts a vector into the network. It errors on another length.
func (l *Local) SetWeights(x []float32) error {
	if len(x) != l.Len() {
		return fmt.Errorf("run: %d numbers for a plan that thaws %d", len(x), l.Len())
	}
	for i, s := range l.slots {
		s.Scatter(x[:l.pieces[i].Len])
		x = x[l.pieces[i].Len:]
	}
	return nil
}

// Use makes ds the examples that are trained on. Their frozen values are those at the given indices
// of kept; with nil, each epoch computes them.
func (l *Local) Use(ds *data.Dataset, kept *keep.Kept, at []int) error {
	s := l.f.session
	targets, err := feed.Targets(s.Task, ds, s.Base.Feed)
	if err != nil {
		return err
	}
	if s.Train != s.Val {
		delete(s.targets, s.Train)
	}
	s.Train, s.targets[ds] = ds, targets
	l.kept, l.at = kept, at
	s.Config.Batch = min(l.batch, ds.Len())
	return nil
}

// Train trains on the examples from the weights that are in place, with fresh optimiser state. What
// is not active keeps its bits. When ctx ends it stops between two steps.
func (l *Local) Train(ctx context.Context, leg Leg) (Trained, error) {
	f, s := l.f, l.f.session
	full := s.Net
	defer func() { s.Net, s.Plans.Now, s.active.within = full, s.Plans.Reach, nil }()
	if err := l.narrow(leg.Active); err != nil {
		return Trained{}, err
	}
	if err := l.open(); err != nil {
		return Trained{}, err
	}
	s.active.renew(&s.Config)
	if err := s.active.Hold(s.Net.Set, s.Plans.Now); err != nil {
		return Trained{}, err
	}
	held, err := l.held(leg.Active)
	if err != nil {
		return Trained{}, err
	}
	var anchors []*tensor.Tensor
	slots := s.active.Opt.Slots()
	if leg.Prox > 0 {
		for _, slot := range slots {
			anchors = append(anchors, slot.Value.Clone())
		}
	}
	s.Config.Seed, s.Config.LR = leg.Seed, leg.LR
	rates := s.Config.LRs(leg.Epochs * s.stepsPerEpoch())
	out := Trained{Examples: s.Train.Len()}
	for e := range leg.Epochs {
		f.st.Epoch = leg.First + e
		m := s.Task.NewMetrics()
		groups := s.groups(f.st.Epoch)
		var sum gradSum
		done, loss := 0, 0.0
		for b, err := range f.frontier.Train.Batches(ctx, groups, f.st.Epoch) {
			if err != nil {
				return out, err
			}
			v, step, err := f.forwardBackward(ctx, b, m)
			if err != nil {
				return out, err
			}
			step.Update()
			done++
			loss += v * float64(len(b.Indices))
			grads := sum.add(step.Grads, len(b.Indices), s.Config.Accumulate, done == len(groups))
			if grads == nil {
				continue
			}
			pullBack(slots, grads, anchors, float32(leg.Prox))
			lr := leg.LR
			if leg.Falls {
				lr = rates.At(out.Steps)
			}
			if _, err := f.update(grads, lr); err != nil {
				return out, err
			}
			out.Steps++
			if err := ctx.Err(); err != nil {
				return out, err
			}
		}
		out.Loss, out.Accuracy = loss/float64(max(1, s.Train.Len())), m.Accuracy()
	}
	return out, held()
}

// pullBack adds the gradient of weight/2 times the squared distance from the anchors.
func pullBack(slots []*optim.Slot, grads, anchors []*tensor.Tensor, weight float32) {
	for k, a := range anchors {
		if grads[k] == nil || a.DType != tensor.Float32 {
			continue
		}
		g, w, from := grads[k].F32(), slots[k].Value.F32(), a.F32()
		for i := range g {
			g[i] += weight * (w[i] - from[i])
		}
	}
}

// held keeps the running statistics that are not active: the returned function puts them back.
func (l *Local) held(active []bool) (back func() error, err error) {
	if active == nil {
		return func() error { return nil }, nil
	}
	before := l.Weights()
	return func() error {
		after := l.Weights()
		at := 0
		for _, p := range l.pieces {
			for i := at; i < at+p.Len && p.Statistic; i++ {
				if !active[i] {
					after[i] = before[i]
				}
			}
			at += p.Len
		}
		return l.SetWeights(after)
	}, nil
}

// narrow makes the network and the plan those of the weights of which any element is active, and
// keeps the optimiser to these elements.
func (l *Local) narrow(active []bool) error {
	s := l.f.session
	s.Plans.Now, s.active.within = s.Plans.Reach, nil
	if active == nil {
		return nil
	}
	if len(active) != l.Len() {
		return fmt.Errorf("run: a mask of %d numbers for a plan that thaws %d", len(active), l.Len())
	}
	masks := map[string][]bool{}
	live := map[string]bool{}
	at := 0
	for i, p := range l.pieces {
		if part := active[at : at+p.Len]; !p.Statistic && slices.Contains(part, true) {
			live[p.Name] = true
			if slices.Contains(part, false) {
				masks[p.Name] = l.spread(l.slots[i], part)
			}
		}
		at += p.Len
	}
	if len(live) == 0 {
		return errors.New("run: no weight is active")
	}
	s.active.within = func(name string) []bool { return masks[name] }
	plan := s.Plans.Reach.Only(s.Net.Set, func(w *freeze.Weight) bool { return live[w.Name] })
	if plan.Digest() == s.Plans.Reach.Digest() {
		return nil
	}
	frozen := l.sumOf(func(name string) bool { return !plan.Live(name) })
	n, ok := l.nets[plan.Digest()]
	if !ok || n.frozen != frozen {
		clear(l.nets)
		n = narrow{s.Net.With(plan), frozen}
		l.nets[plan.Digest()] = n
	}
	s.Net, s.Plans.Now = n.net, plan
	return nil
}

// spread is a mask over all elements of a weight, from one over its thawed elements.
func (l *Local) spread(s *optim.Slot, part []bool) []bool {
	if s.Mask == nil {
		return part
	}
	out := make([]bool, len(s.Mask))
	for i, on := range s.Mask {
		if on {
			out[i], part = part[0], part[1:]
		}
	}
	return out
}

// sumOf is a checksum of some weights of the vector.
func (l *Local) sumOf(of func(name string) bool) uint64 {
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	for _, s := range l.slots {
		if of(s.Name) {
			h.Write(s.Value.Bytes)
		}
	}
	return h.Sum64()
}

// open opens the training examples at the frontier of the network.
func (l *Local) open() (err error) {
	s := l.f.session
	if l.kept == nil {
		l.f.frontier.Train, err = keep.NewEncoder(s.Net, s.Train, nil)
	} else {
		l.f.frontier.Train, err = l.kept.For(s.Net, s.Train, l.at)
	}
	return err
}

// Features gives what a fresh head reads of the training examples, before it is standardised. The
// session needs a fresh head.
func (l *Local) Features(ctx context.Context) (*Features, error) {
	s := l.f.session
	if err := l.open(); err != nil {
		return nil, err
	}
	out := &Features{Width: s.Net.Headed.Features, Rows: make([]float32, s.Train.Len()*s.Net.Headed.Features)}
	return out, l.f.frontier.Train.Rows(ctx, out.Rows, out.Width, s.Config.Batch, featureRows(ctx))
}

// LossNow is the mean loss of the weights that are in place on the training examples.
func (l *Local) LossNow(ctx context.Context) (float64, error) {
	if err := l.open(); err != nil {
		return 0, err
	}
	m, err := l.f.measureOn(ctx, l.f.session.Train, l.f.frontier.Train)
	if err != nil {
		return 0, err
	}
	return m.Loss(), nil
}

// Validate measures the weights that are in place on the session's validation examples. Their frozen
// values are kept after the first time.
func (l *Local) Validate(ctx context.Context) (*task.Metrics, error) {
	f, s := l.f, l.f.session
	if f.frontier.Val == nil {
		kept, err := keep.NewShelf(s.Val).At(ctx, s.Net, s.KeepOptions())
		if err != nil {
			return nil, err
		}
		if kept == nil {
			f.frontier.Val, err = keep.NewEncoder(s.Net, s.Val, nil)
		} else {
			f.frontier.Val, err = kept.For(s.Net, s.Val, data.FileOrder(s.Val.Len()))
		}
		if err != nil {
			return nil, err
		}
	}
	return f.validate(ctx)
}

// Standard measures the features of the session's validation examples that a fresh head reads, and
// returns their standardisation; nil where the head is the model's own. The session's head reads
// them so from then on. It comes before Local.
func (s *Session) Standard(ctx context.Context) (*split.Standard, error) {
	if !s.Net.Headed.Fresh {
		return nil, nil
	}
	e, err := keep.NewEncoder(s.Net, s.Val, nil)
	if err != nil {
		return nil, err
	}
	train := s.Train
	s.Train = s.Val
	defer func() { s.Train = train }()
	f := &loop{session: s, events: report.NewEvents(), frontier: &keep.Encoders{Train: e}}
	if err := f.standardiseHead(ctx); err != nil {
		return nil, err
	}
	return s.Net.Norm, nil
}

// TrainBytes predicts the memory of training the units from one on: weights, gradients, optimiser
// state, and the activations of a step. Frozen values that are kept come on top.
func (l *Local) TrainBytes(from int) (int64, error) {
	s := l.f.session
	plan := s.Plans.Reach.Only(s.Net.Set, func(w *freeze.Weight) bool { return l.unit[w.Name] >= from })
	net := s.Net.With(plan).Twin()
	step, err := net.Train(s.Config.Batch)
	if err != nil {
		return 0, err
	}
	frozen, err := net.Frozen(s.Config.Batch)
	if err != nil {
		return 0, err
	}
	thawed := 4 * int64(plan.Thawed(s.Net.Set).Elements())
	return int64(s.Base.Model.Size()) + int64(2+s.active.Opt.StateCount())*thawed + int64(max(step.Program.ArenaBytes(), frozen.ArenaBytes())), nil
}

// Seal takes the digests of all that is frozen, for Write.
func (l *Local) Seal() { l.seal = freeze.Digests(l.f.session.Net.Set, l.f.session.Plans.Ever) }

// Write writes the tuned model with the weights that are in place, its delta, the files beside it
// and the seal to a run directory. It returns the model's size in bytes. It errors where a frozen
// weight has changed since Seal.
func (l *Local) Write(dir *RunDir) (int64, error) {
	l.f.dir, l.f.session.digests = dir, l.seal
	plan, err := l.f.session.planJSON()
	if err != nil {
		return 0, err
	}
	if err := dir.WriteFile(PlanFile, append(plan, '\n')); err != nil {
		return 0, err
	}
	return l.f.write(freeze.Digests(l.f.session.Net.Set, l.f.session.Plans.Ever))
}
