package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Experimental operators of ONNX up to opset 9, which converters of Core ML and Caffe2 write.
func init() {
	kept := &ir.Traits{Batch: ir.BatchKept}
	ir.RegisterForms(
		ir.Form{Op: "ImageScaler", Since: 1, Until: 9, Lower: lowerImageScaler, Traits: kept,
			Attrs: map[string]ir.AttrType{"bias": ir.AttrFloats, "scale": ir.AttrFloat}},
		ir.Form{Op: "Crop", Since: 1, Until: 9, Lower: lowerCrop, Traits: kept,
			Attrs: map[string]ir.AttrType{"border": ir.AttrInts, "scale": ir.AttrInts}},
		ir.Form{Op: "Affine", Since: 1, Until: 9, Lower: lowerAffine, Traits: kept,
			Attrs: map[string]ir.AttrType{"alpha": ir.AttrFloat, "beta": ir.AttrFloat}},
		ir.Form{Op: "Scale", Since: 1, Until: 9, Lower: lowerScale, Traits: kept,
			Attrs: map[string]ir.AttrType{"scale": ir.AttrFloat}},
		ir.Form{Op: "ScaledTanh", Since: 1, Until: 9, Lower: lowerScaledTanh, Traits: kept,
			Attrs: map[string]ir.AttrType{"alpha": ir.AttrFloat, "beta": ir.AttrFloat}},
		ir.Form{Op: "ParametricSoftplus", Since: 1, Until: 9, Lower: lowerParametricSoftplus, Traits: kept,
			Attrs: map[string]ir.AttrType{"alpha": ir.AttrFloat, "beta": ir.AttrFloat}},
	)
}

// times is x times a number.
func times(b *ir.Builder, x *ir.Value, factor float64) *ir.Value {
	return b.Op("Mul", nil, x, scalar(b, x.Type.DType, factor))
}

// lowerImageScaler is scale*x + bias, with a bias for each channel of [N,C,H,W].
func lowerImageScaler(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x, bias := n.In(0), n.Attrs.Floats("bias")
	if s := x.Type.Shape; len(s) != 4 || len(bias) != s[1] {
		return nil, errorf("%d biases do not fit the channels of %v", len(bias), s)
	}
	y := times(b, x, fattr(n.Attrs, "scale", 1))
	add := cast(b, b.Const(tensor.Of(bias, len(bias), 1, 1)), x.Type.DType)
	return []*ir.Value{b.Op("Add", nil, y, add)}, b.Err()
}

// lowerCrop takes the border (left, top, right, bottom) off [N,C,H,W]. With the attribute scale
// (height, width) what is left begins at left and top and has that size.
func lowerCrop(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	s, border, size := n.In(0).Type.Shape, n.Attrs.Ints("border"), n.Attrs.Ints("scale")
	if len(s) != 4 || len(border) != 4 || size != nil && len(size) != 2 {
		return nil, errorf("border %v and scale %v do not fit %v: want four and two numbers", border, size, s)
	}
	left, top, right, bottom := border[0], border[1], border[2], border[3]
	if size != nil {
		bottom, right = s[2]-top-size[0], s[3]-left-size[1]
	}
	if min(left, top, right, bottom) < 0 || left+right >= s[3] || top+bottom >= s[2] {
		return nil, errorf("border %v and scale %v leave nothing of, or reach beyond, %v", border, size, s)
	}
	return b.Ops("Pad", ir.Attrs{"pads": []int{0, 0, -top, -left, 0, 0, -bottom, -right}}, n.In(0)), b.Err()
}

// lowerAffine is alpha*x + beta.
func lowerAffine(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0)
	y := times(b, x, fattr(n.Attrs, "alpha", 1))
	return []*ir.Value{b.Op("Add", nil, y, scalar(b, x.Type.DType, fattr(n.Attrs, "beta", 0)))}, b.Err()
}

// lowerScale is scale*x.
func lowerScale(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	return []*ir.Value{times(b, n.In(0), fattr(n.Attrs, "scale", 1))}, b.Err()
}

// lowerScaledTanh is alpha*tanh(beta*x).
func lowerScaledTanh(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	y := b.Op("Tanh", nil, times(b, n.In(0), fattr(n.Attrs, "beta", 1)))
	return []*ir.Value{times(b, y, fattr(n.Attrs, "alpha", 1))}, b.Err()
}

// lowerParametricSoftplus is alpha*log(1 + exp(beta*x)).
func lowerParametricSoftplus(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	y := b.Op("Softplus", nil, times(b, n.In(0), fattr(n.Attrs, "beta", 1)))
	return []*ir.Value{times(b, y, fattr(n.Attrs, "alpha", 1))}, b.Err()
}
