package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// CumSum and CumProd return, at each position along the attribute axis, the sum or product of all
// elements up to it. With exclusive the position itself is left out; with reverse they start at the
// end. rawCumulating: the axis is an input of the ONNX operators. The examples of a batch are
// assumed not to be on it, unless it is the last axis.
var rawCumulating = ir.Traits{Batch: ir.BatchKept, Rows: rowsBut("axis", -1)}

func init() {
	for _, c := range []struct {
		name  string
		since int
		f     func(a, b float64) float64
		i     func(a, b int64) int64
		u     func(a, b uint64) uint64
		unit  float64
		grad  func(b *ir.Builder, n *ir.Node, dy *ir.Value, back ir.Attrs) *ir.Value
		want  []float32
	}{
		{"CumSum", 11, sumOf[float64], sumOf[int64], sumOf[uint64], 0,
			func(b *ir.Builder, n *ir.Node, dy *ir.Value, back ir.Attrs) *ir.Value {
				return b.Op("CumSum", back, dy)
			}, []float32{1, 3, 6}},
		{"CumProd", 26, prodOf[float64], prodOf[int64], prodOf[uint64], 1,
			// dx[i] = sum over j of dy[j]*y[j]/x[i], undefined at 0.
			func(b *ir.Builder, n *ir.Node, dy *ir.Value, back ir.Attrs) *ir.Value {
				s := b.Op("CumSum", back, b.Op("Mul", nil, dy, n.Outputs[0]))
				return b.Op("Div", nil, s, n.In(0))
			}, []float32{1, 2, 6}},
	} {
		register(ir.Def{
			Name:   c.name,
			Traits: ir.Traits{Rows: rowsBut("axis", 0)},
			Infer: func(n *ir.Node) ([]ir.Type, error) {
				if err := inputs(n, 1, 1); err != nil {
					return nil, err
				}
				x := n.In(0).Type
				if _, err := axisOf(n.Attrs.Int("axis", 0), len(x.Shape)); err != nil {
					return nil, err
				}
				if x.DType == tensor.Bool {
					return nil, fmt.Errorf("has no meaning for bool")
				}
				return []ir.Type{x}, nil
			},
			Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
				return []*ir.Value{c.grad(b, n, dy[0], n.Attrs.With("reverse", 1-n.Attrs.Int("reverse", 0)))}
			},
			Bind: func(n *ir.Node) (ir.Bound, error) {
				switch classOf(n.In(0).Type.DType) {
				case classInt:
					return ir.Bound{Run: accumulate(n, c.i, int64(c.unit))}, nil
				case classUint:
					return ir.Bound{Run: accumulate(n, c.u, uint64(c.unit))}, nil
				}
				return ir.Bound{Run: accumulate(n, c.f, c.unit)}, nil
			},
			ONNX: []ir.Form{{Op: c.name, Since: c.since, Traits: &rawCumulating, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 2, 2); err != nil {
					return nil, err
				}
				axis, err := constInts(n, 1, "the axis")
				if err != nil {
					return nil, err
				}
				if len(axis) != 1 {
					return nil, errorf("axis is %v, not one number", axis)
				}
				return b.Ops(c.name, n.Attrs.With("axis", axis[0]), n.In(0)), b.Err()
			}}},
			Cases: func() []ir.Case {
				return []ir.Case{
					{Name: "by hand", Inputs: []*tensor.Tensor{floats32(1, 2, 3)}, Want: []*tensor.Tensor{floats32(c.want...)}},
					{Name: "exclusive", Range: [2]float64{1, 2}, Attrs: ir.Attrs{"axis": 1, "exclusive": 1}, Inputs: []*tensor.Tensor{random(2, 3, 2)}},
					{Name: "reverse", Range: [2]float64{1, 2}, Attrs: ir.Attrs{"axis": -1, "reverse": 1}, Inputs: []*tensor.Tensor{random(2, 3)}},
					{Name: "both", Range: [2]float64{1, 2}, Attrs: ir.Attrs{"axis": 0, "reverse": 1, "exclusive": 1}, Inputs: []*tensor.Tensor{random(3, 2)}},
				}
			},
		})
	}
}

func prodOf[W widest](x, y W) W { return x * y }

func accumulate[W widest](n *ir.Node, f func(a, b W) W, unit W) runFunc {
	s := n.In(0).Type.Shape
	axis, _ := axisOf(n.Attrs.Int("axis", 0), len(s))
	outer, size, inner := splitAt(s, axis)
	exclusive, reverse := n.Attrs.Bool("exclusive"), n.Attrs.Bool("reverse")
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := widen[W](in[0]), wideOut[W](out[0])
		for o := range outer {
			for i := range inner {
				acc := unit
				for k := range size {
					if reverse {
						k = size - 1 - k
					}
					at := (o*size+k)*inner + i
					next := f(acc, x[at])
					if exclusive {
						y[at] = acc
					} else {
						y[at] = next
					}
					acc = next
				}
			}
		}
		narrow(out[0], y)
		return nil
	}
}
