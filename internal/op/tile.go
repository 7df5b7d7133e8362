package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Tile repeats x repeats[i] times along axis i.
func init() {
	register(ir.Def{
		Name: "Tile",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x, r := n.In(0).Type, n.Attrs.Ints("repeats")
			if len(r) != len(x.Shape) {
				return nil, fmt.Errorf("repeats %v do not fit %v", r, x.Shape)
			}
			s := x.Shape.Clone()
			for i := range s {
				if r[i] < 0 {
					return nil, fmt.Errorf("repeats %v are negative", r)
				}
				if r[i] > maxElements {
					return nil, fmt.Errorf("repeats %v are too many", r)
				}
				s[i] *= r[i]
			}
			return []ir.Type{{DType: x.DType, Shape: s}}, checkShape(s)
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			split, axes := tiled(n)
			dx := b.Op("ReduceSum", ir.Attrs{"axes": axes, "keepdims": 0}, reshape(b, dy[0], split))
			return []*ir.Value{reshape(b, dx, n.In(0).Type.Shape)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, y := n.In(0).Type, n.Outputs[0].Type
			if x.Equal(y) {
				return ir.Bound{View: true}, nil
			}
			split, _ := tiled(n)
			p := strided{dims: split, dst: split.Strides()}
			for _, st := range x.Shape.Strides() {
				p.src = append(p.src, 0, st)
			}
			p = p.merged()
			move := copier(x.DType)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				move(out[0], in[0], p)
				return nil
			}}, nil
		},
		ONNX: []ir.Form{{Op: "Tile", Since: 6, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 2, 2); err != nil {
				return nil, err
			}
			r, err := constInts(n, 1, "the number of repeats")
			if err != nil {
				return nil, err
			}
			return b.Ops("Tile", ir.Attrs{"repeats": r}, n.In(0)), b.Err()
		}}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "both", Attrs: ir.Attrs{"repeats": []int{2, 3}}, Inputs: []*tensor.Tensor{random(2, 2)}},
				{Name: "one", Attrs: ir.Attrs{"repeats": []int{1, 2}}, Inputs: []*tensor.Tensor{ints64(1, 2).Reshape(1, 2)},
					Want: []*tensor.Tensor{ints64(1, 2, 1, 2).Reshape(1, 4)}},
				{Name: "view", Attrs: ir.Attrs{"repeats": []int{1}}, Inputs: []*tensor.Tensor{random(3)}},
			}
		},
	})
}

// tiled is the shape of the output with every axis split in repeats and size, and the axes of
// repeats.
func tiled(n *ir.Node) (split tensor.Shape, repeats []int) {
	r := n.Attrs.Ints("repeats")
	for i, d := range n.In(0).Type.Shape {
		split = append(split, r[i], d)
		repeats = append(repeats, 2*i)
	}
	return split, repeats
}
