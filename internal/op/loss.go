package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// BCEWithLogits builds the mean binary cross-entropy of sigmoid(logits) with targets from 0 to 1,
// both of the same shape, as PyTorch's binary_cross_entropy_with_logits defines it. The weights of
// the positive answers, which may be nil for all 1, are broadcast to that shape, and smoothing e
// draws every target to one half:
//
//	mean((1-t)*x + (1+(w-1)*t)*softplus(-x)),  t = (1-e)*target + e/2
func BCEWithLogits(b *ir.Builder, logits, targets, positive *ir.Value, smoothing float64) *ir.Value {
	dt := logits.Type.DType
	if smoothing != 0 {
		targets = b.Op("Add", nil, b.Op("Mul", nil, targets, scalar(b, dt, 1-smoothing)), scalar(b, dt, smoothing/2))
	}
	if positive == nil { // (1-t)*x + softplus(-x) = softplus(x) - x*t
		return meanAll(b, b.Op("Sub", nil, b.Op("Softplus", nil, logits), b.Op("Mul", nil, logits, targets)))
	}
	one := scalar(b, dt, 1)
	weight := b.Op("Add", nil, one, b.Op("Mul", nil, b.Op("Sub", nil, positive, one), targets))
	return meanAll(b, b.Op("Add", nil,
		b.Op("Mul", nil, b.Op("Sub", nil, one, targets), logits),
		b.Op("Mul", nil, weight, b.Op("Softplus", nil, b.Op("Neg", nil, logits)))))
}

// MSE builds the mean squared difference of two values of the same shape.
func MSE(b *ir.Builder, x, target *ir.Value) *ir.Value {
	d := b.Op("Sub", nil, x, target)
	return meanAll(b, b.Op("Mul", nil, d, d))
}

// L1 builds the mean absolute difference of two values of the same shape.
func L1(b *ir.Builder, x, target *ir.Value) *ir.Value {
	return meanAll(b, b.Op("Abs", nil, b.Op("Sub", nil, x, target)))
}

// Huber builds the mean of d*d/2 if the difference d of two values of the same shape is below
// delta, and of delta*(d-delta/2) if it is larger.
func Huber(b *ir.Builder, x, target *ir.Value, delta float64) *ir.Value {
	dt := x.Type.DType
	d := b.Op("Abs", nil, b.Op("Sub", nil, x, target))
	m := b.Op("Min", nil, d, scalar(b, dt, delta))
	return meanAll(b, b.Op("Mul", nil, m, b.Op("Sub", nil, d, b.Op("Mul", nil, m, scalar(b, dt, 0.5)))))
}

// TokenCrossEntropy builds SoftmaxCrossEntropy with the given attributes over all tokens: scores
// [N,T,V] and labels int64 [N,T]. Labels equal to ignore_index (default -100) are ignored. The mean
// is over the other tokens.
func TokenCrossEntropy(b *ir.Builder, attrs ir.Attrs, scores, labels *ir.Value) *ir.Value {
	s := scores.Type.Shape
	scores = b.Op("Reshape", ir.Attrs{"shape": []int{s[0] * s[1], s[2]}}, scores)
	labels = b.Op("Reshape", ir.Attrs{"shape": []int{s[0] * s[1]}}, labels)
	return b.Op("SoftmaxCrossEntropy", attrs, scores, labels)
}

func meanAll(b *ir.Builder, x *ir.Value) *ir.Value { return reduceAll(b, "ReduceMean", x) }

func reduceAll(b *ir.Builder, op string, x *ir.Value) *ir.Value {
	if x == nil {
		return nil
	}
	axes := make([]int, len(x.Type.Shape))
	for i := range axes {
		axes[i] = i
	}
	return b.Op(op, ir.Attrs{"axes": axes, "keepdims": 0}, x)
}

func init() {
	ir.RegisterForms(
		ir.Form{Op: "SoftmaxCrossEntropyLoss", Since: 12, Lower: lowerCrossEntropyLoss},
		ir.Form{Op: "NegativeLogLikelihoodLoss", Since: 12, Lower: lowerNLLLoss},
	)
}

// byExample brings scores [N,C,d...] and labels [N,d...] to [M,C] and [M].
func byExample(b *ir.Builder, n *ir.Node) (x, labels *ir.Value, err error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, nil, err
	}
	x, labels = n.In(0), cast(b, n.In(1), tensor.Int64)
	s := x.Type.Shape
	if len(s) < 2 || labels == nil || len(labels.Type.Shape) != len(s)-1 {
		return nil, nil, errorf("scores %v and labels %v are not [N,C,d...] and [N,d...]", s, n.In(1).Type.Shape)
	}
	if len(s) > 2 {
		perm := []int{0}
		for i := 2; i < len(s); i++ {
			perm = append(perm, i)
		}
		m := labels.Type.Shape.Len()
		x = b.Op("Transpose", ir.Attrs{"perm": append(perm, 1)}, x)
		x = b.Op("Reshape", ir.Attrs{"shape": []int{m, s[1]}}, x)
		labels = b.Op("Reshape", ir.Attrs{"shape": []int{m}}, labels)
	}
	return x, labels, b.Err()
}

// lossLike gives a loss by example the shape of the labels.
func lossLike(b *ir.Builder, n *ir.Node, loss *ir.Value) *ir.Value {
	s := n.In(1).Type.Shape
	if loss == nil || len(s) == 1 {
		return loss
	}
	return b.Op("Reshape", ir.Attrs{"shape": []int(s)}, loss)
}

func lowerCrossEntropyLoss(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	x, labels, err := byExample(b, n)
	if err != nil {
		return nil, err
	}
	a := ir.Attrs{"reduction": n.Attrs.Str("reduction", "mean")}
	if n.Attrs.Has("ignore_index") {
		a["ignore_index"] = n.Attrs.Int("ignore_index", 0)
	}
	ins := []*ir.Value{x, labels}
	if w := n.In(2); w != nil {
		ins = append(ins, w)
	}
	loss := b.Op("SoftmaxCrossEntropy", a, ins...)
	if a["reduction"] == "none" {
		loss = lossLike(b, n, loss)
	}
	out := []*ir.Value{loss}
	if len(n.Outputs) > 1 && n.Outputs[1] != nil {
		out = append(out, b.Op("LogSoftmax", ir.Attrs{"axis": 1}, n.In(0)))
	}
	return out, nil
}

// lowerNLLLoss picks -w[t]*x[t] of each row; rows with the label ignore_index weigh nothing.
func lowerNLLLoss(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	x, labels, err := byExample(b, n)
	if err != nil {
		return nil, err
	}
	dt := x.Type.DType
	w := n.In(2)
	if w == nil {
		ones := make([]float64, x.Type.Shape[1])
		for i := range ones {
			ones[i] = 1
		}
		t := tensor.New(dt, len(ones))
		fromFloat64(t, ones)
		w = b.Const(t)
	}
	var ignored *ir.Value
	if n.Attrs.Has("ignore_index") {
		ignored = b.Op("Equal", nil, labels, scalar(b, tensor.Int64, float64(n.Attrs.Int("ignore_index", 0))))
		labels = b.Op("Where", nil, ignored, scalar(b, tensor.Int64, 0), labels)
	}
	w = b.Op("Gather", ir.Attrs{"axis": 0}, w, labels)
	if ignored != nil {
		w = b.Op("Where", nil, ignored, scalar(b, dt, 0), w)
	}
	m := x.Type.Shape[0]
	picked := b.Op("GatherElements", ir.Attrs{"axis": 1}, x, b.Op("Reshape", ir.Attrs{"shape": []int{m, 1}}, labels))
	loss := b.Op("Neg", nil, b.Op("Mul", nil, w, b.Op("Reshape", ir.Attrs{"shape": []int{m}}, picked)))
	switch r := n.Attrs.Str("reduction", "mean"); r {
	case "none":
		loss = lossLike(b, n, loss)
	case "sum":
		loss = reduceAll(b, "ReduceSum", loss)
	case "mean":
		loss = b.Op("Div", nil, reduceAll(b, "ReduceSum", loss), reduceAll(b, "ReduceSum", w))
	default:
		return nil, errorf("reduction %q is not mean, sum or none", r)
	}
	return []*ir.Value{loss}, nil
}
