package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Trilu keeps the triangle of each matrix (last two axes) on and above diagonal k, or on and below
// it if the attribute upper is 0, and sets the rest to zero.
func init() {
	register(ir.Def{
		Name:   "Trilu",
		Traits: ir.Traits{Batch: ir.BatchKept},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			if len(x.Shape) < 2 {
				return nil, fmt.Errorf("%v is no matrix", x)
			}
			return []ir.Type{x}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{b.Op("Trilu", n.Attrs, dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			s := n.In(0).Type.Shape
			rows, cols := s[len(s)-2], s[len(s)-1]
			k, upper := n.Attrs.Int("k", 0), n.Attrs.Int("upper", 1) != 0
			size := n.In(0).Type.DType.Size()
			return ir.Bound{InPlace: []int{0}, Run: func(in, out []*tensor.Tensor, _ []byte) error {
				x, y := in[0].Bytes, out[0].Bytes
				copy(y, x)
				for at, row := 0, 0; at < len(y); at, row = at+cols*size, row+1 {
					i := row % rows
					lo, hi := 0, min(max(i+k, 0), cols) // what becomes zero
					if !upper {
						lo, hi = min(max(i+k+1, 0), cols), cols
					}
					clear(y[at+lo*size : at+hi*size])
				}
				return nil
			}}, nil
		},
		ONNX: []ir.Form{{Op: "Trilu", Since: 14, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 1, 2); err != nil {
				return nil, err
			}
			k, err := constInts(n, 1, "the diagonal")
			if err != nil {
				return nil, err
			}
			attrs := ir.Attrs{"upper": n.Attrs.Int("upper", 1)}
			if len(k) == 1 {
				attrs["k"] = k[0]
			}
			return b.Ops("Trilu", attrs, n.In(0)), b.Err()
		}}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "upper", Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "lower", Attrs: ir.Attrs{"upper": 0, "k": -1}, Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3, 4}, 2, 2)},
					Want: []*tensor.Tensor{tensor.Of([]float32{0, 0, 3, 0}, 2, 2)}},
				{Name: "above", Attrs: ir.Attrs{"k": 1}, Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3, 4}, 2, 2)},
					Want: []*tensor.Tensor{tensor.Of([]float32{0, 2, 0, 0}, 2, 2)}},
			}
		},
	})
}
