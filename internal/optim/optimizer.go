package optim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Optimizer updates thawed parameters from their gradients with one rule. It works in float32. A
// parameter of another float type has a float32 master copy, which is rounded into the parameter
// after every step. So updates that are smaller than the type's precision still add up.
//
// An Optimizer must not be used from several goroutines at once.
type Optimizer struct {
	rule  rule
	slots []*Slot
	state map[string]*slotState
	w, g  []float32 // scratch for parameters that cannot be updated in place
}

// rule is one update rule.
type rule interface {
	// kinds names the per-element state. Each kind is one float32 per thawed element.
	kinds() []string
	// step updates w from its gradient g at step t (from 1). state is in the order of kinds.
	step(w, g []float32, state [][]float32, t int64, lr float64, decay bool)
	// pull decays w towards anchor at learning rate lr, by moving w or adding to g.
	pull(w, g, anchor []float32, lr float64)
}

// slotState is the optimiser's state for one slot.
type slotState struct {
	step   int64       // updates so far
	kinds  [][]float32 // in the order of rule.kinds
	master []float32   // nil for float32 parameters
}

// Add adds parameters to training with fresh state. Parameters already there keep theirs. If a name
// is taken or a slot is inconsistent, it errors and adds none.
func (o *Optimizer) Add(slots ...*Slot) error {
	taken := map[string]bool{}
	for _, s := range slots {
		if o.state[s.Name] != nil || taken[s.Name] {
			return fmt.Errorf("optim: parameter %q is in the optimiser already", s.Name)
		}
		if err := s.check(); err != nil {
			return err
		}
		taken[s.Name] = true
	}
	for _, s := range slots {
		st := &slotState{}
		for range o.rule.kinds() {
			st.kinds = append(st.kinds, tensor.New(tensor.Float32, s.Len()).F32())
		}
		if s.Value.DType != tensor.Float32 {
			st.master = make([]float32, s.Len())
			s.Gather(st.master, s.Value)
		}
		o.state[s.Name] = st
		o.slots = append(o.slots, s)
	}
	return nil
}

// Remove removes parameters from training and drops their state. If a name is unknown, it errors
// and removes none.
func (o *Optimizer) Remove(names ...string) error {
	for _, n := range names {
		if o.state[n] == nil {
			return fmt.Errorf("optim: parameter %q is not in the optimiser", n)
		}
	}
	for _, n := range names {
		delete(o.state, n)
	}
	o.slots = slices.DeleteFunc(o.slots, func(s *Slot) bool { return o.state[s.Name] == nil })
	return nil
}

// Slots lists the parameters in training in the order in which they were added.
func (o *Optimizer) Slots() []*Slot { return slices.Clone(o.slots) }

// Step updates every parameter once at learning rate lr. A slot without a gradient is skipped and
// its step count does not advance, as in PyTorch. If a gradient does not fit its parameter, Step
// errors and changes nothing.
func (o *Optimizer) Step(lr float64) error {
	for _, s := range o.slots {
		if err := s.checkGrad(); err != nil {
			return err
		}
	}
	for _, s := range o.slots {
		if s.Grad != nil {
			o.stepSlot(s, o.state[s.Name], lr*float64(s.LR))
		}
	}
	return nil
}

func (o *Optimizer) stepSlot(s *Slot, st *slotState, lr float64) {
	w, g := st.master, []float32(nil)
	switch {
	case w != nil:
	case s.direct(s.Value):
		w = s.Value.F32()
	default:
		o.w = grow(o.w, s.Len())
		w = o.w
		s.Gather(w, s.Value)
	}
	if s.direct(s.Grad) {
		g = s.Grad.F32()
	} else {
		o.g = grow(o.g, s.Len())
		g = o.g
		s.Gather(g, s.Grad)
	}
	st.step++
	decay := s.Decay
	if decay && s.Anchor != nil {
		g, decay = o.pullSlot(s, w, g, lr), false
	}
	o.rule.step(w, g, st.kinds, st.step, lr, decay)
	if !s.direct(s.Value) {
		s.Scatter(w)
	}
}

// grow returns a slice of n elements, in b's memory if that is large enough.
func grow(b []float32, n int) []float32 {
	if cap(b) < n {
		return make([]float32, n)
	}
	return b[:n]
}

// State returns the optimiser's state as named tensors that share its memory: "step/NAME" (int64
// scalar), one vector over the thawed elements for each of the rule's kinds, such as
// "exp_avg/NAME", and "master/NAME" if the parameter is not float32.
func (o *Optimizer) State() map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for _, s := range o.slots {
		st := o.state[s.Name]
		out["step/"+s.Name] = tensor.Scalar(st.step)
		for i, kind := range o.rule.kinds() {
			out[kind+"/"+s.Name] = tensor.Of(st.kinds[i])
		}
		if st.master != nil {
			out["master/"+s.Name] = tensor.Of(st.master)
		}
	}
	return out
}

// SetState copies a state from State into the optimiser, which must have the same parameters and
// rule. If a tensor is missing, left over, or has another type or shape, it errors and changes
// nothing.
func (o *Optimizer) SetState(state map[string]*tensor.Tensor) error {
	own := o.State()
	for _, name := range slices.Sorted(maps.Keys(own)) {
		w, g := own[name], state[name]
		if g == nil {
			return fmt.Errorf("optim: optimiser state lacks %q", name)
		}
		if g.DType != w.DType || !g.Shape.Equal(w.Shape) {
			return fmt.Errorf("optim: optimiser state %q is %v %v, want %v %v", name, g.DType, g.Shape, w.DType, w.Shape)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if own[name] == nil {
			return fmt.Errorf("optim: optimiser state %q belongs to no parameter in training", name)
		}
	}
	for _, s := range o.slots {
		st := o.state[s.Name]
		st.step = state["step/"+s.Name].I64()[0]
		for i, kind := range o.rule.kinds() {
			copy(st.kinds[i], state[kind+"/"+s.Name].F32())
		}
		if st.master != nil {
			copy(st.master, state["master/"+s.Name].F32())
		}
	}
	return nil
}

// StateCount returns the number of state values per thawed element.
func (o *Optimizer) StateCount() int { return len(o.rule.kinds()) }

// Bytes returns the memory of the state of one parameter with n thawed elements of type dt.
func (o *Optimizer) Bytes(dt tensor.DType, n int) int64 {
	k := len(o.rule.kinds())
	if dt != tensor.Float32 {
		k++
	}
	return 4 * int64(k) * int64(n)
}

func newOptimizer(r rule) *Optimizer { return &Optimizer{rule: r, state: map[string]*slotState{}} }

// value returns a parameter's thawed elements in float32: the elements themselves if possible, else
// a copy.
func (o *Optimizer) value(s *Slot) []float32 {
	if st := o.state[s.Name]; st.master != nil {
		return st.master
	}
	if s.direct(s.Value) {
		return s.Value.F32()
	}
	v := make([]float32, s.Len())
	s.Gather(v, s.Value)
	return v
}

// Has reports whether a parameter is in training.
func (o *Optimizer) Has(name string) bool { return o.state[name] != nil }

// Arrange sets the parameters in training to the given ones, in this order.
func (o *Optimizer) Arrange(slots []*Slot) { o.slots = append(o.slots[:0:0], slots...) }
