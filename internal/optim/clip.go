package optim

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// GradNorm is the Euclidean norm of the gradients of all thawed elements taken as one vector,
// summed in the order of slots. Frozen elements of a partly thawed parameter do not count.
func GradNorm(slots []*Slot) float64 {
	var sum float64
	for _, s := range slots {
		sum += s.SumSquares()
	}
	return math.Sqrt(sum)
}

// Clip scales all gradients so that GradNorm is at most limit, as torch.nn.utils.clip_grad_norm_
// does, and returns the norm before. A limit of 0 clips nothing. A norm that is not finite leaves
// the gradients alone: the caller has to stop there.
func Clip(slots []*Slot, limit float64) float64 {
	norm := GradNorm(slots)
	if limit <= 0 || math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm
	}
	if a := kernel.ClipScale(norm, limit); a < 1 {
		for _, s := range slots {
			s.scaleGrad(a)
		}
	}
	return norm
}
