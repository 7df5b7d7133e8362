package task

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Mixed is a task on mixtures of two examples: x = share a + (1-share) b. Its loss is the same
// mixture of the losses for a's answer and for b's answer. Its labels are the labels of the a's,
// those of the b's, and the share, a float32 scalar, in this order. Everything else is as in the
// task that it wraps.
//
// Source: Zhang, Cisse, Dauphin and Lopez-Paz, mixup: Beyond Empirical Risk Minimization, ICLR
// 2018.
type Mixed struct{ Task }

func (m Mixed) LabelTypes(n, positions int) []ir.Type {
	one := m.Task.LabelTypes(n, positions)
	return append(slices.Concat(one, one), ir.Type{DType: tensor.Float32, Shape: tensor.Shape{}})
}

func (m Mixed) Loss(b *ir.Builder, scores *ir.Value, labels []*ir.Value) *ir.Value {
	k := len(labels) / 2
	share := labels[2*k]
	first := b.Op("Mul", nil, share, m.Task.Loss(b, scores, labels[:k]))
	rest := b.Op("Sub", nil, b.Const(tensor.Scalar(float32(1))), share)
	return b.Op("Add", nil, first, b.Op("Mul", nil, rest, m.Task.Loss(b, scores, labels[k:2*k])))
}

// Unmixed converts plain labels to the form that a task takes. For Mixed, each example is mixed
// only with itself.
func Unmixed(t Task, labels []*tensor.Tensor) []*tensor.Tensor {
	if _, ok := t.(Mixed); !ok {
		return labels
	}
	return append(append(labels[:len(labels):len(labels)], labels...), tensor.Scalar(float32(1)))
}

// Plain returns the underlying task: the one inside Mixed and WithLoss, or t itself.
func Plain(t Task) Task {
	if m, ok := t.(Mixed); ok {
		t = m.Task
	}
	if o, ok := t.(ownLoss); ok {
		return o.Task
	}
	return t
}
