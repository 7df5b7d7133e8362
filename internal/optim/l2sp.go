package optim

// L2-SP decays thawed weights towards their pretrained values a instead of towards 0, with the
// decay rule of the optimiser: sgd adds x(w-a) to the gradient, adamw subtracts lr x(w-a) from the
// weights before its step. Both happen after gradient clipping, like weight decay. A new weight has
// no pretrained value and decays to 0.
//
// Source: Li, Grandvalet and Davoine, Explicit Inductive Bias for Transfer Learning with
// Convolutional Networks, ICML 2018; decoupled as in Loshchilov and Hutter, ICLR 2019.

func (a AdamW) pull(w, _, anchor []float32, lr float64) {
	x := float32(lr * a.WeightDecay)
	for i, v := range anchor {
		w[i] -= x * (w[i] - v)
	}
}

func (s SGD) pull(w, g, anchor []float32, _ float64) {
	x := float32(s.WeightDecay)
	for i, v := range anchor {
		g[i] += x * (w[i] - v)
	}
}

// pullSlot decays a slot towards its anchor. It returns the gradient in scratch memory, as the
// slot's gradient belongs to the caller.
func (o *Optimizer) pullSlot(s *Slot, w, g []float32, lr float64) []float32 {
	o.g = grow(o.g, s.Len())
	copy(o.g, g)
	anchor := make([]float32, s.Len())
	if s.direct(s.Anchor) {
		anchor = s.Anchor.F32()
	} else {
		s.Gather(anchor, s.Anchor)
	}
	o.rule.pull(w, o.g, anchor, lr)
	return o.g
}
