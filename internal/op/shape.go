package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Shape is the shape of its input from axis start up to end, as int64, and Size the number of
// elements. Both follow from the input's type and fold away.
func init() {
	register(ir.Def{
		Name: "Shape",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			return []ir.Type{{DType: tensor.Int64, Shape: tensor.Shape{len(shapeRange(n))}}}, nil
		},
		Fold: func(n *ir.Node) []*tensor.Tensor {
			return []*tensor.Tensor{sizes64(shapeRange(n))}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			s := sizes64(shapeRange(n))
			return ir.Bound{Run: func(_, out []*tensor.Tensor, _ []byte) error {
				copy(out[0].Bytes, s.Bytes)
				return nil
			}}, nil
		},
		ONNX: onnx("Shape", 1),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Inputs: []*tensor.Tensor{random(2, 3)}, Want: []*tensor.Tensor{ints64(2, 3)}},
				{Name: "range", Attrs: ir.Attrs{"start": -2, "end": 9}, Inputs: []*tensor.Tensor{random(2, 3, 4)}, Want: []*tensor.Tensor{ints64(3, 4)}},
			}
		},
	})
	register(ir.Def{
		Name: "Size",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			return []ir.Type{{DType: tensor.Int64, Shape: tensor.Shape{}}}, nil
		},
		Fold: func(n *ir.Node) []*tensor.Tensor {
			return []*tensor.Tensor{tensor.Scalar(int64(n.In(0).Type.Shape.Len()))}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			size := int64(n.In(0).Type.Shape.Len())
			return ir.Bound{Run: func(_, out []*tensor.Tensor, _ []byte) error {
				out[0].I64()[0] = size
				return nil
			}}, nil
		},
		ONNX: onnx("Size", 1),
		Cases: func() []ir.Case {
			return []ir.Case{{Inputs: []*tensor.Tensor{random(2, 3)}, Want: []*tensor.Tensor{tensor.Scalar(int64(6))}}}
		},
	})
}

func shapeRange(n *ir.Node) tensor.Shape {
	s := n.In(0).Type.Shape
	bound := func(name string, def int) int {
		i := n.Attrs.Int(name, def)
		if i < 0 {
			i += len(s)
		}
		return min(max(i, 0), len(s))
	}
	lo, hi := bound("start", 0), bound("end", len(s))
	return s[lo:max(lo, hi)]
}

func sizes64(s tensor.Shape) *tensor.Tensor {
	t := tensor.New(tensor.Int64, len(s))
	for i, d := range s {
		t.I64()[i] = int64(d)
	}
	return t
}

// Fill is a tensor of the attribute shape whose elements are all the one element of the attribute
// value. Constant, ConstantOfShape and EyeLike of ONNX become constants.
func init() {
	register(ir.Def{
		Name: "Fill",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			v := n.Attrs.Tensor("value")
			if v == nil || v.Len() != 1 {
				return nil, fmt.Errorf("the attribute value does not hold one element")
			}
			s := tensor.Shape(n.Attrs.Ints("shape"))
			if err := checkShape(s); err != nil {
				return nil, err
			}
			if s.Len() > maxConstant {
				return nil, fmt.Errorf("a constant of shape %v is too large", s)
			}
			return []ir.Type{{DType: v.DType, Shape: n.Attrs.Ints("shape")}}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			v := n.Attrs.Tensor("value")
			return ir.Bound{Run: func(_, out []*tensor.Tensor, _ []byte) error {
				fillTensor(out[0], v)
				return nil
			}}, nil
		},
		ONNX: []ir.Form{
			{Op: "ConstantOfShape", Since: 9, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 1, 1); err != nil {
					return nil, err
				}
				shape, err := constInts(n, 0, "the shape")
				if err != nil {
					return nil, err
				}
				v := n.Attrs.Tensor("value")
				if v == nil {
					v = floats32(0)
				}
				return b.Ops("Fill", ir.Attrs{"shape": shape, "value": v}), b.Err()
			}},
			{Op: "Constant", Since: 1, Lower: lowerConstant},
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Attrs: ir.Attrs{"shape": []int{3}, "value": floats32(2)}, Want: []*tensor.Tensor{floats32(2, 2, 2)}},
				{Name: "int64", Attrs: ir.Attrs{"shape": []int{2}, "value": ints64(-1)}, Want: []*tensor.Tensor{ints64(-1, -1)}},
			}
		},
	})
}

func checkShape(s tensor.Shape) error {
	n := 1
	for _, d := range s {
		if d < 0 {
			return fmt.Errorf("shape %v has a negative size", s)
		}
		if d > 0 && n > maxElements/d {
			return fmt.Errorf("shape %v is too large", s)
		}
		n *= d
	}
	return nil
}

// maxElements bounds a shape that a model asks for, maxConstant a tensor made from a few numbers of
// the model: a hostile file must not cost more memory than it could hold.
const (
	maxElements = 1 << 34
	maxConstant = 1 << 28
)

func lowerConstant(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	for name, v := range n.Attrs {
		switch v := v.(type) {
		case *tensor.Tensor:
			return []*ir.Value{b.Const(v)}, nil
		case float32:
			return []*ir.Value{b.Const(tensor.Scalar(v))}, nil
		case int:
			return []*ir.Value{b.Const(tensor.Scalar(int64(v)))}, nil
		case []float32:
			return []*ir.Value{b.Const(tensor.Of(v))}, nil
		case []int:
			return []*ir.Value{b.Ints(v...)}, nil
		default:
			return nil, errorf("a constant of kind %s is not supported", name)
		}
	}
	return nil, errorf("holds no value")
}
