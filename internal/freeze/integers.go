package freeze

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// integerWeights are the input slots in which operators read weights as quantisers write them.
var integerWeights = map[string][]int{
	"DequantizeLinear": {0}, "MatMulInteger": {1}, "ConvInteger": {1}, "QLinearMatMul": {3}, "QLinearConv": {3},
}

// integersOf are the matrices and filters of 8-bit integers that layers of a raw graph read. They
// cannot train, so they are not among the weights of a Set.
func integersOf(raw *ir.Graph) (out []*ir.Value) {
	seen := map[*ir.Value]bool{}
	for _, n := range raw.Nodes {
		for _, slot := range integerWeights[n.Op] {
			v := n.In(slot)
			if v == nil || seen[v] || !v.IsConst() || len(v.Type.Shape) < 2 || v.Type.DType.IsFloat() || v.Type.DType.Size() != 1 {
				continue
			}
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// quantised says in words that weights are integers. It is "" where none are.
func (s *Set) quantised() string {
	if len(s.integers) == 0 {
		return ""
	}
	v := s.integers[0]
	return fmt.Sprintf("the model is quantised: %d of its weights, such as %q, are %v and cannot train", len(s.integers), v.Name, v.Type.DType)
}
