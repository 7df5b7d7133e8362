package optim

import "github.com/permafrost-ml/permafrost/internal/kernel"

// SGD holds the settings of stochastic gradient descent with the rule of torch.optim.SGD: weight
// decay is added to the gradient, the momentum buffer starts as the first gradient, and there is no
// dampening. The zero value is plain gradient descent, like PyTorch's defaults.
type SGD struct {
	Momentum    float64
	Nesterov    bool
	WeightDecay float64 // of slots with Decay set
}

// NewSGD returns an optimiser without parameters. Its state is "momentum_buffer", or nothing if
// momentum is 0.
func NewSGD(s SGD) *Optimizer { return newOptimizer(s) }

func (s SGD) kinds() []string {
	if s.Momentum == 0 {
		return nil
	}
	return []string{"momentum_buffer"}
}

func (s SGD) step(w, g []float32, state [][]float32, t int64, lr float64, decay bool) {
	k := kernel.SGD{LR: lr, Momentum: s.Momentum, Nesterov: s.Nesterov}
	if decay {
		k.WeightDecay = s.WeightDecay
	}
	var buf []float32
	if len(state) > 0 {
		buf = state[0]
	}
	k.Step(w, g, buf, t == 1, nil)
}
