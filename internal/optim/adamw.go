package optim

import "github.com/permafrost-ml/permafrost/internal/kernel"

// AdamW holds the settings of Adam with decoupled weight decay, with the rule of torch.optim.AdamW
// (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101). If Beta1, Beta2 or Eps is zero,
// PyTorch's default is used: 0.9, 0.999 and 1e-8.
type AdamW struct {
	Beta1, Beta2, Eps float64
	WeightDecay       float64 // of slots with Decay set
}

// NewAdamW returns an optimiser without parameters. Its state is "exp_avg" and "exp_avg_sq", the
// running means of the gradient and of its square.
func NewAdamW(a AdamW) *Optimizer {
	if a.Beta1 == 0 {
		a.Beta1 = 0.9
	}
	if a.Beta2 == 0 {
		a.Beta2 = 0.999
	}
	if a.Eps == 0 {
		a.Eps = 1e-8
	}
	return newOptimizer(a)
}

func (a AdamW) kinds() []string { return []string{"exp_avg", "exp_avg_sq"} }

func (a AdamW) step(w, g []float32, state [][]float32, t int64, lr float64, decay bool) {
	k := kernel.AdamW{LR: lr, Beta1: a.Beta1, Beta2: a.Beta2, Eps: a.Eps}
	if decay {
		k.WeightDecay = a.WeightDecay
	}
	k.Step(w, g, state[0], state[1], int(t), nil)
}
