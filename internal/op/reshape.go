package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// reshape builds v with another shape.
func reshape(b *ir.Builder, v *ir.Value, shape tensor.Shape) *ir.Value {
	if v == nil || v.Type.Shape.Equal(shape) {
		return v
	}
	return b.Op("Reshape", ir.Attrs{"shape": []int(shape)}, v)
}

// Reshape is a view of its input with the attribute shape, in which one size may be -1, to be
// inferred. Squeeze, Unsqueeze and Flatten are Reshape.
func init() {
	register(ir.Def{
		Name: "Reshape",
		Traits: ir.Traits{HandsOn: true, Identity: sameTypes,
			// The axes before the rows keep their size.
			Rows: func(n *ir.Node, rank int, in []int, out int) bool {
				return out >= 0 && in[0] >= 0 && n.In(0).Type.Shape[:in[0]].Len() == n.Outputs[0].Type.Shape[:out].Len()
			}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			s, err := fillShape(x.Shape, n.Attrs.Ints("shape"), true)
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: x.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{reshape(b, dy[0], n.In(0).Type.Shape)}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) { return ir.Bound{View: true}, nil },
		ONNX: []ir.Form{
			{Op: "Reshape", Since: 1, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 1, 2); err != nil {
					return nil, err
				}
				shape := n.Attrs.Ints("shape")
				if len(n.Inputs) > 1 {
					var err error
					if shape, err = constInts(n, 1, "the shape"); err != nil {
						return nil, err
					}
				}
				s, err := fillShape(n.In(0).Type.Shape, shape, n.Attrs.Bool("allowzero"))
				if err != nil {
					return nil, errorf("%w", err)
				}
				return reshaped(b, n, s)
			}},
			{Op: "Flatten", Since: 1, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 1, 1); err != nil {
					return nil, err
				}
				x := n.In(0).Type.Shape
				axis := n.Attrs.Int("axis", 1)
				if axis < 0 {
					axis += len(x)
				}
				if axis < 0 || axis > len(x) {
					return nil, errorf("axis %d is outside a tensor of rank %d", axis, len(x))
				}
				return reshaped(b, n, tensor.Shape{x[:axis].Len(), x[axis:].Len()})
			}},
			{Op: "Squeeze", Since: 1, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				axes, err := axesGiven(n)
				if err != nil {
					return nil, err
				}
				x := n.In(0).Type.Shape
				if axes == nil {
					for i, d := range x {
						if d == 1 {
							axes = append(axes, i)
						}
					}
				}
				if len(axes) == 0 {
					return reshaped(b, n, x)
				}
				if axes, err = axesOf(axes, len(x)); err != nil {
					return nil, errorf("%w", err)
				}
				for _, a := range axes {
					if x[a] != 1 {
						return nil, errorf("axis %d of %v is not 1", a, x)
					}
				}
				return reshaped(b, n, dropAxes(x, axes))
			}},
			{Op: "Unsqueeze", Since: 1, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				axes, err := axesGiven(n)
				if err != nil {
					return nil, err
				}
				s := n.In(0).Type.Shape.Clone()
				if len(axes) > 0 {
					if axes, err = axesOf(axes, len(s)+len(axes)); err != nil {
						return nil, errorf("%w", err)
					}
				}
				for _, a := range axes {
					s = slices.Insert(s, a, 1)
				}
				return reshaped(b, n, s)
			}},
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "rest", Attrs: ir.Attrs{"shape": []int{4, -1}}, Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "heads", Attrs: ir.Attrs{"shape": []int{2, 3, 2, 2}}, Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "scalar", Attrs: ir.Attrs{"shape": []int{}}, Inputs: []*tensor.Tensor{random(1, 1)}},
			}
		},
	})
}

// reshaped is the output of a node that only changes the shape.
func reshaped(b *ir.Builder, n *ir.Node, s tensor.Shape) ([]*ir.Value, error) {
	return b.Ops("Reshape", ir.Attrs{"shape": []int(s)}, n.In(0)), b.Err()
}

// axesGiven reads axes from the attribute (opset up to 12) or from input 1. It returns nil if there
// are none.
func axesGiven(n *ir.Node) ([]int, error) {
	if err := inputs(n, 1, 2); err != nil {
		return nil, err
	}
	if n.In(1) != nil {
		return constInts(n, 1, "the set of axes")
	}
	return n.Attrs.Ints("axes"), nil
}

// fillShape resolves sizes of -1 (inferred) and of 0 (as in x). With zero, a size of 0 means 0.
func fillShape(x tensor.Shape, shape []int, zero bool) (tensor.Shape, error) {
	s := make(tensor.Shape, len(shape))
	rest, known := -1, 1
	for i, d := range shape {
		switch {
		case d == 0 && !zero:
			if i >= len(x) {
				return nil, fmt.Errorf("shape %v copies axis %d, which %v does not have", shape, i, x)
			}
			d = x[i]
		case d == -1:
			if rest >= 0 {
				return nil, fmt.Errorf("shape %v leaves more than one size open", shape)
			}
			rest = i
			continue
		case d < 0:
			return nil, fmt.Errorf("shape %v has a negative size", shape)
		}
		s[i] = d
		known *= min(d, maxElements+1)
	}
	if err := checkShape(s); err != nil {
		return nil, err
	}
	if rest >= 0 && known > 0 {
		s[rest] = x.Len() / known
	}
	if s.Len() != x.Len() {
		return nil, fmt.Errorf("%v does not reshape to %v", x, shape)
	}
	return s, nil
}
