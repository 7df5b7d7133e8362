package op

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// BitCast takes the bytes of its input for elements of another type of the same size, named by the
// attribute to.
func init() {
	register(ir.Def{
		Name:   "BitCast",
		Attrs:  toName,
		Traits: ir.Traits{ReadsBits: true},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			dt, err := dtypeNamed(n.Attrs.Str("to", ""))
			if err != nil {
				return nil, err
			}
			if dt.Size() != x.DType.Size() {
				return nil, fmt.Errorf("%v and %v differ in size", x.DType, dt)
			}
			return []ir.Type{{DType: dt, Shape: x.Shape}}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) { return ir.Bound{View: true}, nil },
		ONNX: []ir.Form{{Op: "BitCast", Since: 26, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			dt, err := onnxType(n.Attrs.Int("to", 0))
			if err != nil {
				return nil, errorf("%w", err)
			}
			return b.Ops("BitCast", ir.Attrs{"to": dt.String()}, n.In(0)), b.Err()
		}}},
		Cases: func() []ir.Case {
			return []ir.Case{{Attrs: ir.Attrs{"to": "uint32"}, Inputs: []*tensor.Tensor{floats32(1, -2)}, Want: []*tensor.Tensor{tensor.Of([]uint32{0x3f800000, 0xc0000000})}}}
		},
	})
}
