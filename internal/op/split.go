package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Split of ONNX becomes one Slice an output, so that each output lives only as long as it is used.
func init() {
	d := ir.Def{
		Name:   "Split",
		Traits: ir.Traits{Part: true, Rows: rowsBut("axis", 0)},
		// As an operator of its own, Split has the sizes of its parts in the attribute split.
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
			if err != nil {
				return nil, err
			}
			var ts []ir.Type
			sum := 0
			for _, k := range n.Attrs.Ints("split") {
				s := x.Shape.Clone()
				s[axis] = k
				sum += k
				ts = append(ts, ir.Type{DType: x.DType, Shape: s})
				if k < 0 {
					return nil, fmt.Errorf("parts %v have a negative size", n.Attrs.Ints("split"))
				}
			}
			if sum != x.Shape[axis] {
				return nil, fmt.Errorf("parts %v do not make up axis %d of %v", n.Attrs.Ints("split"), axis, x.Shape)
			}
			return ts, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			parts := make([]*ir.Value, len(dy))
			for i, t := range splitTypes(n) {
				if i < len(dy) && dy[i] != nil {
					parts[i] = dy[i]
				} else {
					parts[i] = expandTo(b, scalar(b, t.DType, 0), t.Shape)
				}
			}
			return []*ir.Value{b.Op("Concat", ir.Attrs{"axis": n.Attrs.Int("axis", 0)}, parts...)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x := n.In(0).Type
			axis, _ := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
			st := x.Shape.Strides()
			var plans []strided
			at := 0
			for _, t := range splitTypes(n) {
				plans = append(plans, strided{dims: t.Shape, dst: t.Shape.Strides(), src: st, srcAt: at * st[axis]}.merged())
				at += t.Shape[axis]
			}
			move := copier(x.DType)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				for i, y := range out {
					if y != nil {
						move(y, in[0], plans[i])
					}
				}
				return nil
			}}, nil
		},
		ONNX: []ir.Form{{Op: "Split", Since: 1, Lower: lowerSplit}},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Attrs: ir.Attrs{"axis": 1, "split": []int{2, 1, 0}}, Inputs: []*tensor.Tensor{random(2, 3)}},
				{Name: "first", Attrs: ir.Attrs{"split": []int{1, 2}}, Inputs: []*tensor.Tensor{random(3, 2)}},
			}
		},
	}
	register(d)
}

// splitTypes are the types of all parts, of outputs that are not wanted too.
func splitTypes(n *ir.Node) []ir.Type {
	ts, _ := ir.Lookup("Split").Infer(n)
	return ts
}

func lowerSplit(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 2); err != nil {
		return nil, err
	}
	x := n.In(0).Type.Shape
	axis, err := axisOf(n.Attrs.Int("axis", 0), len(x))
	if err != nil {
		return nil, err
	}
	sizes := n.Attrs.Ints("split")
	if n.In(1) != nil {
		if sizes, err = constInts(n, 1, "the sizes of the parts"); err != nil {
			return nil, err
		}
	}
	if sizes == nil {
		k := n.Attrs.Int("num_outputs", len(n.Outputs))
		if k < 1 {
			return nil, errorf("splits into %d parts", k)
		}
		each := (x[axis] + k - 1) / k // the last part may be smaller
		for i := range k {
			sizes = append(sizes, max(0, min(each, x[axis]-i*each)))
		}
	}
	var outs []*ir.Value
	at := 0
	for _, k := range sizes {
		if k < 0 || at+k > x[axis] {
			return nil, errorf("parts %v do not make up axis %d of %v", sizes, axis, x)
		}
		outs = append(outs, b.Op("Slice", ir.Attrs{"starts": []int{at}, "ends": []int{at + k}, "axes": []int{axis}}, n.In(0)))
		at += k
	}
	if at != x[axis] {
		return nil, errorf("parts %v do not make up axis %d of %v", sizes, axis, x)
	}
	return outs, b.Err()
}
