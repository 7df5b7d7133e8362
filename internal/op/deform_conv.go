package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func init() {
	ir.RegisterForms(ir.Form{Op: "DeformConv", Since: 19, Lower: lowerDeformConv,
		Traits: &ir.Traits{Batch: ir.BatchFirst, Inputs: []ir.Use{ir.UseData, ir.UseWeight, ir.UseData, ir.UseBias}}})
}

// lowerDeformConv is a convolution whose taps are displaced, each by an offset of its own at every
// place (input 2, [N, groups*kh*kw*2, oh, ow], down before right) and weighted by a mask (input 4):
// all taps are read by one GridSample a group, and a 1x1 convolution sums them up.
func lowerDeformConv(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 3, 5); err != nil {
		return nil, err
	}
	x, w, offset, mask := n.In(0), n.In(1), n.In(2), n.In(4)
	xs, ws := x.Type.Shape, w.Type.Shape
	if len(xs) != 4 || len(ws) != 4 || len(offset.Type.Shape) != 4 {
		return nil, errorf("deforms %v by %v with offsets %v", xs, ws, offset.Type.Shape)
	}
	list := func(name string, k, def int) []int {
		if v := n.Attrs.Ints(name); len(v) == k {
			return v
		}
		return slices.Repeat([]int{def}, k)
	}
	groups, kh, kw := n.Attrs.Int("offset_group", 1), ws[2], ws[3]
	taps := kh * kw
	strides, dilations, pads := list("strides", 2, 1), list("dilations", 2, 1), list("pads", 4, 0)
	s := offset.Type.Shape
	oh, ow := s[2], s[3]
	for i, o := range []int{oh, ow} {
		free := xs[2+i] + pads[i] + pads[2+i] - dilations[i]*(ws[2+i]-1) - 1
		if strides[i] < 1 || free < 0 || o != free/strides[i]+1 {
			return nil, errorf("offsets %v do not fit %v and %v", s, xs, ws)
		}
	}
	if groups < 1 || xs[1]%groups != 0 || !s.Equal(tensor.Shape{xs[0], groups * taps * 2, oh, ow}) {
		return nil, errorf("offsets %v do not fit %v and %v in %d groups", s, xs, ws, groups)
	}
	dt := x.Type.DType
	// base is the position of each tap without its offset, along one axis.
	base := func(axis int) *ir.Value {
		v := make([]float64, 0, taps*oh*ow)
		for k := range taps {
			for i := range oh {
				for j := range ow {
					tap, at := []int{k / kw, k % kw}[axis], []int{i, j}[axis]
					v = append(v, float64(at*strides[axis]-pads[axis]+tap*dilations[axis]))
				}
			}
		}
		t := tensor.New(dt, taps, oh, ow)
		fromFloat64(t, v)
		return b.Const(t)
	}
	bases := []*ir.Value{base(0), base(1)}
	offset = reshape(b, offset, tensor.Shape{xs[0], groups, taps, 2, oh * ow})
	var parts []*ir.Value
	for g := range groups {
		// From pixels to -1 at the first edge and 1 at the last.
		place := func(axis int) *ir.Value {
			v := slice(b, slice(b, offset, 1, g, g+1), 3, axis, axis+1)
			v = b.Op("Add", nil, reshape(b, v, tensor.Shape{xs[0], taps, oh, ow}), bases[axis])
			d := float64(xs[2+axis])
			v = b.Op("Add", nil, b.Op("Mul", nil, v, scalar(b, dt, 2/d)), scalar(b, dt, 1/d-1))
			return reshape(b, v, tensor.Shape{xs[0], taps * oh, ow, 1})
		}
		grid := b.Op("Concat", ir.Attrs{"axis": 3}, place(1), place(0))
		c := xs[1] / groups
		v := b.Op("GridSample", ir.Attrs{"mode": "linear"}, slice(b, x, 1, g*c, (g+1)*c), grid)
		v = reshape(b, v, tensor.Shape{xs[0], c, taps, oh, ow})
		if mask != nil {
			v = b.Op("Mul", nil, v, reshape(b, slice(b, mask, 1, g*taps, (g+1)*taps), tensor.Shape{xs[0], 1, taps, oh, ow}))
		}
		parts = append(parts, v)
		if b.Err() != nil {
			return nil, b.Err()
		}
	}
	v := b.Op("Concat", ir.Attrs{"axis": 1}, parts...)
	v = reshape(b, v, tensor.Shape{xs[0], xs[1] * taps, oh, ow})
	conv := &ir.Node{Name: n.Name, Attrs: ir.Attrs{"group": n.Attrs.Int("group", 1), "kernel_shape": []int{1, 1}}}
	return []*ir.Value{lowered(b, conv, "Conv", v, reshape(b, w, tensor.Shape{ws[0], ws[1] * taps, 1, 1}), n.In(3))}, b.Err()
}
