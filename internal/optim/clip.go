package optim

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// GradNorm returns the Euclidean norm of the gradients of all thawed elements as one vector, summed
// in the order of slots. Frozen elements of a partly thawed parameter do not count.
func GradNorm(slots []*Slot) float64 {
	var sum float64
	for _, s := range slots {
		sum += s.SumSquares()
	}
	return math.Sqrt(sum)
}

// Clip scales all gradients so that GradNorm is at most limit, like torch.nn.utils.clip_grad_norm_.
// It returns the norm before clipping. A limit of 0 clips nothing. If the norm is NaN or infinite
// the gradients are left unchanged, and the caller must stop.
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
