package run

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// active is what changes during a fit: the weights as the optimiser sees them, and their values
// before training.
type active struct {
	Opt   *optim.Optimizer
	slots map[string]*optim.Slot // of every weight that trained in any stage
	rates map[string]float32     // learning-rate multipliers, without the schedule's
	// values before training of the weights and statistics that change
	pretrained map[string]*tensor.Tensor

	within   func(name string) []bool // which elements of a weight train at most, nil for all; nil: all of all
	decayAll bool                     // weight decay also applies to norms and biases
	anchored func(name string) bool   // weight decay pulls towards the pretrained value
}

func NewActive(c *config.Config, isNew func(name string) bool) *active {
	_, everything := c.Decay()
	return &active{
		Opt: c.NewOptimizer(), slots: map[string]*optim.Slot{}, rates: map[string]float32{}, pretrained: map[string]*tensor.Tensor{},
		decayAll: everything, anchored: func(name string) bool { return c.L2SP != 0 && !isNew(name) },
	}
}

// own gives every weight that changes under a plan its own buffer. The model's own weights are
// views of its file.
func (a *active) own(set *freeze.Set, plan *freeze.Plan) {
	for _, w := range set.Weights {
		if a.pretrained[w.Name] == nil && plan.Live(w.Name) {
			a.pretrained[w.Name] = w.Value.Data
			w.Value.Data = w.Value.Data.Clone()
		}
	}
}

// Hold gives the optimiser exactly the weights that a plan trains, in the order of the set, which
// is the order of the gradients. A weight that trained before keeps its optimiser state; a new one
// starts with fresh state.
func (a *active) Hold(set *freeze.Set, plan *freeze.Plan) error {
	var want []*optim.Slot
	plan.Thawed(set).Each(func(w *freeze.Weight, e freeze.Entry) {
		if a.slots[w.Name] == nil {
			a.slots[w.Name] = a.slot(w, e)
			a.rates[w.Name] = a.slots[w.Name].LR
		}
		want = append(want, a.slots[w.Name])
	})
	for _, have := range a.Opt.Slots() {
		if !slices.Contains(want, have) {
			have.Grad = nil
			if err := a.Opt.Remove(have.Name); err != nil {
				return err
			}
		}
	}
	for _, w := range want {
		if !a.Opt.Has(w.Name) {
			w.LR = a.rates[w.Name]
			if err := a.Opt.Add(w); err != nil {
				return err
			}
		}
	}
	a.Opt.Arrange(want)
	return nil
}

// renew forgets all optimiser state. Values before training stay known.
func (a *active) renew(c *config.Config) {
	a.Opt, a.slots, a.rates = c.NewOptimizer(), map[string]*optim.Slot{}, map[string]float32{}
}

// slot is a thawed weight as the optimiser sees it.
func (a *active) slot(w *freeze.Weight, e freeze.Entry) *optim.Slot {
	slot := &optim.Slot{Name: w.Name, Value: w.Value.Data, LR: 1, Decay: a.decayAll || w.Role == freeze.RoleWeight || w.Role == freeze.RoleEmbedding}
	if e.LR != 0 {
		slot.LR = float32(e.LR)
	}
	if a.anchored(w.Name) {
		slot.Anchor = a.pretrained[w.Name]
	}
	if m := e.ElementMask(w.Value.Type.Shape); m != nil {
		slot.Mask = make([]bool, len(m))
		for i, b := range m {
			slot.Mask[i] = b == 1
		}
	}
	if a.within != nil {
		slot.Mask = both(slot.Mask, a.within(w.Name))
	}
	return slot
}

// both is what two masks have in common; nil has everything.
func both(a, b []bool) []bool {
	if a == nil || b == nil {
		return append(a, b...)
	}
	out := make([]bool, len(a))
	for i := range a {
		out[i] = a[i] && b[i]
	}
	return out
}

// params are the weights that trained in any stage, in the order of the set.
func (a *active) params(set *freeze.Set) []*optim.Slot {
	var out []*optim.Slot
	for _, w := range set.Weights {
		if p := a.slots[w.Name]; p != nil {
			out = append(out, p)
		}
	}
	return out
}

// restore puts back the weights and running statistics of an earlier epoch. Weights that were
// thawed after it get their pretrained values.
func (a *active) restore(set *freeze.Set, stats, tensors map[string]*tensor.Tensor) error {
	c := Checkpoint{Tensors: tensors}
	missing, err := c.RestoreWeights(a.params(set), stats)
	for _, name := range missing {
		copy(set.ByName(name).Value.Data.Bytes, a.pretrained[name].Bytes)
	}
	return err
}
