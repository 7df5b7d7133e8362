package op

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TopK gives the k largest elements along the attribute axis, or the smallest where largest is 0,
// in order, the lower position first among equals, and their positions (int64).
func init() {
	lower := func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 1, 2); err != nil {
			return nil, err
		}
		attrs := ir.Attrs{"axis": n.Attrs.Int("axis", -1), "largest": n.Attrs.Int("largest", 1), "k": n.Attrs.Int("k", 1)}
		if n.In(1) != nil {
			k, err := constInts(n, 1, "the number of elements")
			if err != nil {
				return nil, err
			}
			if len(k) != 1 {
				return nil, errorf("k is %v, not one number", k)
			}
			attrs["k"] = k[0]
		}
		return b.Ops("TopK", attrs, n.In(0)), b.Err()
	}
	register(ir.Def{
		Name: "TopK",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			axis, err := axisOf(n.Attrs.Int("axis", -1), len(x.Shape))
			if err != nil {
				return nil, err
			}
			s, k := x.Shape.Clone(), n.Attrs.Int("k", 1)
			if k < 0 || k > s[axis] {
				return nil, fmt.Errorf("takes %d of %d elements", k, s[axis])
			}
			s[axis] = k
			return []ir.Type{{DType: x.DType, Shape: s}, {DType: tensor.Int64, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			attrs := ir.Attrs{"axis": n.Attrs.Int("axis", -1)}
			return []*ir.Value{b.Op("ScatterElements", attrs, zeros(b, n.In(0).Type), n.Outputs[1], dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			switch classOf(n.In(0).Type.DType) {
			case classInt:
				return ir.Bound{Run: topK[int64](n)}, nil
			case classUint:
				return ir.Bound{Run: topK[uint64](n)}, nil
			}
			return ir.Bound{Run: topK[float64](n)}, nil
		},
		ONNX: []ir.Form{{Op: "TopK", Since: 1, Lower: lower}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "largest", Attrs: ir.Attrs{"k": 2}, Inputs: []*tensor.Tensor{floats32(1, 4, 4, 3)},
					Want: []*tensor.Tensor{floats32(4, 4), ints64(1, 2)}, NoGrad: []int{0}},
				{Name: "smallest", Attrs: ir.Attrs{"k": 2, "axis": 0, "largest": 0}, Inputs: []*tensor.Tensor{random(4, 3)}},
			}
		},
	})
}

func topK[W widest](n *ir.Node) runFunc {
	s := n.In(0).Type.Shape
	axis, _ := axisOf(n.Attrs.Int("axis", -1), len(s))
	outer, size, inner := splitAt(s, axis)
	k, sign := n.Attrs.Int("k", 1), -1
	if n.Attrs.Int("largest", 1) == 0 {
		sign = 1
	}
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := widen[W](in[0]), wideOut[W](out[0])
		order := make([]int, size)
		for o := range outer {
			for i := range inner {
				row := x[o*size*inner+i:]
				for j := range order {
					order[j] = j
				}
				slices.SortStableFunc(order, func(a, b int) int { return sign * cmp.Compare(row[a*inner], row[b*inner]) })
				for j := range k {
					at := (o*k+j)*inner + i
					y[at] = row[order[j]*inner]
					if len(out) > 1 && out[1] != nil {
						out[1].I64()[at] = int64(order[j])
					}
				}
			}
		}
		narrow(out[0], y)
		return nil
	}
}
