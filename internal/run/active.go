package run

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// active is the active layer of a fit: the weights that change, as the optimiser has them, and what
// they held before.
type active struct {
	Opt        *optim.Optimizer
	slots      map[string]*optim.Slot    // of all weights that trained in any stage
	rates      map[string]float32        // multipliers of their learning rates, the schedule's apart
	pretrained map[string]*tensor.Tensor // what weights and statistics that change held before

	decayAll bool                   // weight decay touches norms and biases too
	anchored func(name string) bool // weight decay pulls towards the pretrained value
}

func NewActive(c *Config, isNew func(name string) bool) *active {
	_, everything := c.Decay()
	return &active{
		Opt: c.NewOptimizer(), slots: map[string]*optim.Slot{}, rates: map[string]float32{}, pretrained: map[string]*tensor.Tensor{},
		decayAll: everything, anchored: func(name string) bool { return c.L2SP != 0 && !isNew(name) },
	}
}

// own gives every weight that changes by a plan a buffer of its own: those of the model are views
// of the file.
func (a *active) own(set *freeze.Set, plan *freeze.Plan) {
	for _, w := range set.Weights {
		if a.pretrained[w.Name] == nil && plan.Live(w.Name) {
			a.pretrained[w.Name] = w.Value.Data
			w.Value.Data = w.Value.Data.Clone()
		}
	}
}

// Hold makes the optimiser hold the weights that a plan trains, in the order of the set, in which
// gradients come: with the state that they have, or with fresh state where they come in.
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
	return slot
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

// restore puts the weights of an earlier epoch back, and running statistics by name: those that
// were thawed later have their pretrained values again.
func (a *active) restore(set *freeze.Set, stats, tensors map[string]*tensor.Tensor) error {
	c := Checkpoint{Tensors: tensors}
	missing, err := c.RestoreWeights(a.params(set), stats)
	for _, name := range missing {
		copy(set.ByName(name).Value.Data.Bytes, a.pretrained[name].Bytes)
	}
	return err
}
