package compile

import (
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// fuseTransposes lets products read their operands transposed, and merges consecutive transposes.
func fuseTransposes(g *ir.Graph) error {
	return rewrite(g, matchTransposePair, matchTransposedFactor)
}

// matchTransposePair: two consecutive transposes become one, or none.
func matchTransposePair(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Transpose" {
		return nil
	}
	t := m.by(n.Inputs[0], "Transpose")
	if t == nil {
		return nil
	}
	inner, outer := t.Attrs.Ints("perm"), n.Attrs.Ints("perm")
	if len(inner) == 0 || len(outer) != len(inner) {
		return nil
	}
	perm := make([]int, len(outer))
	for i, p := range outer {
		perm[i] = inner[p]
	}
	if slices.IsSorted(perm) {
		return &ir.Node{Name: n.Name, Op: "Reshape", Inputs: t.Inputs, Attrs: ir.Attrs{"shape": []int(n.Outputs[0].Type.Shape)}}
	}
	return &ir.Node{Name: n.Name, Op: "Transpose", Inputs: t.Inputs, Attrs: ir.Attrs{"perm": perm}}
}

// matchTransposedFactor: x * transpose(w) becomes x *ᵀ w if only the last two axes are swapped.
func matchTransposedFactor(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "MatMul" {
		return nil
	}
	for i, flag := range []string{"transA", "transB"} {
		v := n.Inputs[i]
		if v.Node == nil || v.Node.Op != "Transpose" {
			continue
		}
		perm := slices.Clone(v.Node.Attrs.Ints("perm"))
		r := len(perm)
		if r < 2 {
			continue
		}
		perm[r-1], perm[r-2] = perm[r-2], perm[r-1]
		if !slices.IsSorted(perm) {
			continue
		}
		attrs := maps.Clone(n.Attrs)
		if attrs == nil {
			attrs = ir.Attrs{}
		}
		attrs[flag] = 1 - n.Attrs.Int(flag, 0)
		in := slices.Clone(n.Inputs)
		in[i] = v.Node.Inputs[0]
		return &ir.Node{Name: n.Name, Op: "MatMul", Inputs: in, Attrs: attrs}
	}
	return nil
}
