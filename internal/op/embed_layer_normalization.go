package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// EmbedLayerNormalization is the contributed operator that sums word, position and segment
// embeddings and normalises. Its outputs are the result, the number of words looked at for each
// example, and the sum.
func init() {
	ir.RegisterForms(ir.Form{Domain: "com.microsoft", Op: "EmbedLayerNormalization", Since: 1,
		Traits: &ir.Traits{Inputs: []ir.Use{ir.UseData, ir.UseData, ir.UseTable, ir.UseTable, ir.UseTable, ir.UseScale, ir.UseShift}}, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 1, 9); err != nil {
				return nil, err
			}
			ids, segments, word, position, segment := n.In(0), n.In(1), n.In(2), n.In(3), n.In(4)
			gamma, beta, mask, at := n.In(5), n.In(6), n.In(7), n.In(8)
			for i, v := range []*ir.Value{2: word, 3: position, 5: gamma, 6: beta} {
				if i >= 2 && i != 4 && v == nil {
					return nil, errorf("input %d is missing", i)
				}
			}
			if len(ids.Type.Shape) != 2 {
				return nil, errorf("word numbers %v are not [B,T]", ids.Type.Shape)
			}
			t := ids.Type.Shape[1]
			if at == nil {
				at = counting(b, t, 1, t)
			}
			look := func(table, i *ir.Value) *ir.Value { return b.Op("Gather", ir.Attrs{"axis": 0}, table, i) }
			sum := b.Op("Add", nil, look(word, ids), look(position, at))
			if segments != nil && segment != nil {
				sum = b.Op("Add", nil, sum, look(segment, segments))
			}
			out := b.Ops("LayerNormalization", ir.Attrs{"epsilon": n.Attrs.Float("epsilon", 1e-12)}, sum, gamma, beta)
			if out == nil {
				return nil, b.Err()
			}
			var count *ir.Value
			if mask == nil {
				count = b.Const(tensor.New(tensor.Int32, ids.Type.Shape[0]))
			} else {
				count = b.Op("ReduceSum", ir.Attrs{"axes": []int{1}, "keepdims": 0}, cast(b, mask, tensor.Int32))
			}
			return []*ir.Value{out[0], count, sum}, nil
		}})
}
