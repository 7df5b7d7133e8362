package op

import (
	"cmp"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ArgMax and ArgMin give the position, int64, of the greatest or least element along the attribute
// axis: the first of equals, the last with select_last_index. The axis stays with size 1 unless
// keepdims is 0.
func init() {
	for _, a := range []struct {
		name string
		fast func(y []int64, x []float32, outer, axis, inner int, last bool)
		sign int
		want []int64
	}{
		{"ArgMax", kernel.ArgMax, 1, []int64{1, 0}},
		{"ArgMin", kernel.ArgMin, -1, []int64{0, 1}},
	} {
		register(ir.Def{
			Name:   a.name,
			Traits: ir.Traits{Batch: ir.BatchReduced, Rows: rowsBut("axis", 0)},
			Infer: func(n *ir.Node) ([]ir.Type, error) {
				if err := inputs(n, 1, 1); err != nil {
					return nil, err
				}
				s := n.In(0).Type.Shape.Clone()
				axis, err := axisOf(n.Attrs.Int("axis", 0), len(s))
				if err != nil {
					return nil, err
				}
				s[axis] = 1
				if n.Attrs.Int("keepdims", 1) == 0 {
					s = dropAxes(s, []int{axis})
				}
				return []ir.Type{{DType: tensor.Int64, Shape: s}}, nil
			},
			Bind: func(n *ir.Node) (ir.Bound, error) {
				x := n.In(0).Type
				axis, _ := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
				outer, size, inner := splitAt(x.Shape, axis)
				last := n.Attrs.Bool("select_last_index")
				switch c := classOf(x.DType); {
				case x.DType == tensor.Float32:
					return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
						a.fast(out[0].I64(), in[0].F32(), outer, size, inner, last)
						return nil
					}}, nil
				case c == classInt:
					return ir.Bound{Run: argBest[int64](outer, size, inner, a.sign, last)}, nil
				case c == classUint:
					return ir.Bound{Run: argBest[uint64](outer, size, inner, a.sign, last)}, nil
				}
				return ir.Bound{Run: argBest[float64](outer, size, inner, a.sign, last)}, nil
			},
			ONNX: onnx(a.name, 1),
			Cases: func() []ir.Case {
				return []ir.Case{
					{Name: "last axis", Attrs: ir.Attrs{"axis": -1, "keepdims": 0}, Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 3, 3, 2, 0, 1}, 2, 3)},
						Want: []*tensor.Tensor{ints64(a.want...)}},
					{Name: "int32", Attrs: ir.Attrs{"select_last_index": 1}, Inputs: []*tensor.Tensor{tensor.Of([]int32{4, 4})}, Want: []*tensor.Tensor{ints64(1)}},
				}
			},
		})
	}
}

func argBest[W widest](outer, size, inner, sign int, last bool) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := widen[W](in[0]), out[0].I64()
		for o := range outer {
			for i := range inner {
				row := x[o*size*inner+i:]
				best := 0
				for k := 1; k < size; k++ {
					c := sign * cmp.Compare(row[k*inner], row[best*inner])
					if c > 0 || c == 0 && last {
						best = k
					}
				}
				y[o*inner+i] = int64(best)
			}
		}
		return nil
	}
}
