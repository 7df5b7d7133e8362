package run

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

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
