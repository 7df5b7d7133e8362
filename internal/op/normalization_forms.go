package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Normalisations that are written in terms of other operators.
func init() {
	ir.RegisterForms(
		ir.Form{Op: "LRN", Since: 1, Lower: lowerLRN, Traits: &ir.Traits{Batch: ir.BatchKept}},
		ir.Form{Op: "LpNormalization", Since: 1, Lower: lowerLpNormalization, Traits: &ir.Traits{Batch: ir.BatchKept}},
		ir.Form{Op: "MeanVarianceNormalization", Since: 9, Lower: lowerMeanVariance, Traits: &ir.Traits{Batch: ir.BatchKept}},
	)
}

// lowerLRN is x/(bias + alpha/size*sum)^beta, sum being that of the squares of size neighbouring
// channels. The mean of squares is an average pooling over the channels: seen channels last, they
// are an image of C by 1 pixels whose channels are the positions.
func lowerLRN(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0)
	s, size := x.Type.Shape, n.Attrs.Int("size", 0)
	if len(s) < 2 || size < 1 {
		return nil, errorf("size %d does not fit input %v", size, s)
	}
	dt := x.Type.DType
	y := b.Op("Reshape", ir.Attrs{"shape": []int{s[0], s[1], 1, s[2:].Len()}}, b.Op("Mul", nil, x, x))
	y = b.Op("AveragePool", ir.Attrs{
		"layout": "NHWC", "kernel_shape": []int{size, 1}, "count_include_pad": 1,
		"pads": []int{(size - 1) / 2, 0, size / 2, 0},
	}, y)
	y = b.Op("Reshape", ir.Attrs{"shape": []int(s)}, y)
	y = b.Op("Mul", nil, y, scalar(b, dt, fattr(n.Attrs, "alpha", 1e-4)))
	y = b.Op("Add", nil, y, scalar(b, dt, fattr(n.Attrs, "bias", 1)))
	y = b.Op("Pow", nil, y, scalar(b, dt, -fattr(n.Attrs, "beta", 0.75)))
	return []*ir.Value{b.Op("Mul", nil, x, y)}, nil
}

// lowerLpNormalization divides by the 1- or 2-norm along an axis.
func lowerLpNormalization(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0)
	axis, err := axisOf(n.Attrs.Int("axis", -1), len(x.Type.Shape))
	if err != nil {
		return nil, err
	}
	var norm *ir.Value
	switch p := n.Attrs.Int("p", 2); p {
	case 1:
		norm = reduceTo(b, "ReduceSum", b.Op("Abs", nil, x), axis)
	case 2:
		norm = b.Op("Sqrt", nil, reduceTo(b, "ReduceSum", b.Op("Mul", nil, x, x), axis))
	default:
		return nil, errorf("p is %d, not 1 or 2", p)
	}
	// Where the norm is 0 so is x, and the result.
	dt := x.Type.DType
	norm = b.Op("Where", nil, b.Op("Equal", nil, norm, scalar(b, dt, 0)), scalar(b, dt, 1), norm)
	return []*ir.Value{b.Op("Div", nil, x, norm)}, nil
}

// lowerMeanVariance is (x-mean)/(deviation + 1e-9) over the given axes.
func lowerMeanVariance(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0)
	axes := n.Attrs.Ints("axes")
	if axes == nil {
		axes = []int{0, 2, 3}
	}
	d := b.Op("Sub", nil, x, reduceTo(b, "ReduceMean", x, axes...))
	variance := reduceTo(b, "ReduceMean", b.Op("Mul", nil, d, d), axes...)
	deviation := b.Op("Add", nil, b.Op("Sqrt", nil, variance), scalar(b, x.Type.DType, 1e-9))
	return []*ir.Value{b.Op("Div", nil, d, deviation)}, nil
}

// reduceTo keeps the axes that it reduces, with size 1.
func reduceTo(b *ir.Builder, op string, x *ir.Value, axes ...int) *ir.Value {
	return b.Op(op, ir.Attrs{"axes": axes, "keepdims": 1}, x)
}
