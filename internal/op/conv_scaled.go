package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ConvScaled(x, w, bias, residual, scale) is Conv(x*scale, w, bias, residual), with the attributes
// of Conv. scale has the shape of x with spatial axes of 1: one factor for each channel of each
// image, as squeeze-and-excite blocks have it.
//
// A compiler pass makes it (see FuseScale); it has no gradient.
func init() {
	register(ir.Def{
		Name: "ConvScaled",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, _, err := scaledOf(n)
			return []ir.Type{{DType: c.dtype, Shape: c.y.shape()}}, err
		},
		Bind: bindScaled,
		Cost: func(n *ir.Node) ir.Cost {
			_, conv, _ := scaledOf(n)
			return ir.Cost{FLOPs: convCost(conv).FLOPs + int64(n.In(0).Type.Shape.Len()), Bytes: bytesMoved(n)}
		},
		Cases: convScaledCases,
	})
}

// scaledOf gives the geometry of the convolution, and that as a node of its own.
func scaledOf(n *ir.Node) (conv, *ir.Node, error) {
	node := &ir.Node{Name: n.Name, Op: "Conv", Inputs: n.Inputs[:min(4, len(n.Inputs))], Attrs: n.Attrs}
	if err := inputs(n, 2, 5); err != nil {
		return conv{}, node, err
	}
	c, err := convOf(node)
	if err != nil {
		return c, node, err
	}
	scale := n.In(4)
	if scale == nil {
		return c, node, errorf("input 4 is missing")
	}
	if want := (ir.Type{DType: c.dtype, Shape: scaleShape(c)}); !scale.Type.Equal(want) {
		return c, node, errorf("scale is %v, not %v", scale.Type, want)
	}
	return c, node, nil
}

func scaleShape(c conv) tensor.Shape {
	s := c.x
	s.spatial = slices.Repeat([]int{1}, len(c.x.spatial))
	return s.shape()
}

// FuseScale makes a ConvScaled of conv, which reads x*scale. It returns nil if that is impossible
// or not faster. The weights are scaled for each image, so they must be smaller than x.
func FuseScale(conv *ir.Node, x, scale *ir.Value) *ir.Node {
	in := []*ir.Value{x, conv.In(1), conv.In(2), conv.In(3), scale}
	n := &ir.Node{Name: conv.Name, Op: "ConvScaled", Inputs: in, Attrs: conv.Attrs}
	c, _, err := scaledOf(n)
	if err != nil || !c.scalable() || c.y.c > c.x.size() {
		return nil
	}
	return n
}

// scalable says whether kernel.ConvForwardScaled takes the convolution.
func (c conv) scalable() bool {
	if c.dtype != tensor.Float32 || !c.x.last || len(c.w.kernel) > 2 || c.group != 1 || c.x.n*c.x.c*c.y.c*c.x.size() == 0 {
		return false
	}
	return c.weightShape().Len() == c.x.c*c.y.c && slices.Equal(c.x.spatial, c.y.spatial) && !slices.ContainsFunc(c.w.pads, func(p int) bool { return p != 0 })
}

func bindScaled(n *ir.Node) (ir.Bound, error) {
	c, node, err := scaledOf(n)
	if err != nil {
		return ir.Bound{}, err
	}
	if !c.scalable() {
		return bindProductConv(c, node)
	}
	v := c.conv2D()
	var packed *kernel.PackedConv
	var fixed []int
	if w := n.In(1); w.IsConst() {
		packed, fixed = kernel.PackConv(v, w.Data.F32()), []int{1}
	}
	return ir.Bound{Packed: fixed, InPlace: inPlace(n, 3), Run: func(in, out []*tensor.Tensor, _ []byte) error {
		w := packed
		if w == nil {
			w = kernel.PackConv(v, in[1].F32())
		}
		kernel.ConvForwardScaled(v, in[0].F32(), in[4].F32(), w, out[0].F32(), epilogue(n.Attrs, f32(at(in, 2)), f32(at(in, 3))))
		return nil
	}}, nil
}

// bindProductConv multiplies first.
func bindProductConv(c conv, node *ir.Node) (ir.Bound, error) {
	b, err := bindConv(node)
	if err != nil {
		return b, err
	}
	scale, err := forFloat(c.dtype, func(in, out []*tensor.Tensor, _ []byte) error {
		scaleChannels(c.x, out[0].F32(), in[0].F32(), in[1].F32())
		return nil
	}, func(in, out []*tensor.Tensor, _ []byte) error {
		scaleChannels(c.x, f64(out[0]), f64(in[0]), f64(in[1]))
		return nil
	})
	run := b.Run
	b.Run = func(in, out []*tensor.Tensor, scratch []byte) error {
		x := tensor.New(in[0].DType, in[0].Shape...)
		if err := scale([]*tensor.Tensor{in[0], in[4]}, []*tensor.Tensor{x}, nil); err != nil {
			return err
		}
		args := slices.Clone(in[:4])
		args[0] = x
		return run(args, out, scratch)
	}
	return b, err
}

func scaleChannels[T float](m image, y, x, scale []T) {
	for n := range m.n {
		for c := range m.c {
			for p := range m.size() {
				i := m.at(n, c, p)
				y[i] = x[i] * scale[n*m.c+c]
			}
		}
	}
}

func convScaledCases() []ir.Case {
	last := ir.Attrs{"layout": "NHWC", "act": "relu"}
	return []ir.Case{
		{Name: "by hand", Attrs: ir.Attrs{"layout": "NHWC"}, Const: []int{0, 1, 4}, Inputs: []*tensor.Tensor{
			tensor.Of([]float32{1, 2, 3, 4}, 1, 2, 1, 2), tensor.Of([]float32{1, 10}, 1, 2, 1, 1), nil, nil, tensor.Of([]float32{5, 7}, 1, 1, 1, 2)},
			Want: []*tensor.Tensor{tensor.Of([]float32{145, 295}, 1, 2, 1, 1)}},
		{Name: "constant weights", Attrs: last, Const: []int{0, 1, 2, 3, 4}, Inputs: []*tensor.Tensor{
			random(2, 5, 3, 4), random(3, 4, 1, 1), random(3), random(2, 5, 3, 3), random(2, 1, 1, 4)}},
		{Name: "varying weights", Attrs: last, Const: []int{0, 2, 3, 4}, Inputs: []*tensor.Tensor{
			random(2, 5, 3, 4), random(3, 4, 1, 1), nil, random(2, 5, 3, 3), random(2, 1, 1, 4)}},
		{Name: "3x3", Const: []int{0, 1, 2, 4}, Attrs: ir.Attrs{"pads": []int{1, 1, 1, 1}}, Inputs: []*tensor.Tensor{
			random(2, 4, 5, 3), random(3, 4, 3, 3), random(3), nil, random(2, 4, 1, 1)}},
	}
}
