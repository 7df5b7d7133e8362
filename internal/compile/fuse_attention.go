package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// fuseAttention recognises softmax(scale*q*kᵀ + mask)*v and makes it one operator, which stores no
// matrix of scores, forward or backward. If the mask depends on a thawed weight, such as a trained
// relative position bias, it needs a gradient, and the pattern is left unchanged.
func fuseAttention(g *ir.Graph) error { return rewrite(g, matchAttention) }

func matchAttention(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "MatMul" || !plainProduct(n) || n.Inputs[0].Type.DType != tensor.Float32 {
		return nil
	}
	soft := m.by(n.Inputs[0], "Softmax")
	v := n.Inputs[1]
	rank := len(v.Type.Shape)
	if soft == nil || rank != 3 && rank != 4 || len(n.Inputs[0].Type.Shape) != rank || n.Attrs.Bool("transB") {
		return nil
	}
	if axis := soft.Attrs.Int("axis", -1); axis != -1 && axis != rank-1 {
		return nil
	}
	scores, mask := soft.Inputs[0], (*ir.Value)(nil)
	if add := m.by(scores, "Add"); add != nil {
		for i, x := range add.Inputs {
			if m.scoresOf(x) != nil {
				scores, mask = x, add.Inputs[1-i]
				break
			}
		}
		if mask == nil || trains(mask) || len(mask.Type.Shape) > rank {
			return nil
		}
	}
	scale := 1.0
	product := m.scoresOf(scores)
	if product == nil {
		return nil
	}
	if product != scores.Node {
		_, scale = m.unscale(scores)
	}
	if !plainProduct(product) || product.Attrs.Bool("transA") {
		return nil
	}
	q, sq := m.unscale(product.Inputs[0])
	k, sk := m.unscale(product.Inputs[1])
	if len(q.Type.Shape) != rank || len(k.Type.Shape) != rank || m.users[product.Outputs[0]] != 1 {
		return nil
	}
	if !product.Attrs.Bool("transB") {
		k = m.swapped(n.Name, k)
	}
	qs, ks, vs := q.Type.Shape, k.Type.Shape, v.Type.Shape
	if !ks[:rank-2].Equal(qs[:rank-2]) || !vs[:rank-2].Equal(qs[:rank-2]) || ks[rank-1] != qs[rank-1] || vs[rank-2] != ks[rank-2] {
		m.pre, m.err = nil, nil
		return nil
	}
	attrs := ir.Attrs{"scale": float32(scale * sq * sk)}
	if rank == 4 {
		return &ir.Node{Name: n.Name, Op: "Attention", Attrs: attrs, Inputs: []*ir.Value{q, k, v, mask}}
	}
	heads := func(x *ir.Value) *ir.Value { // [B,T,D] is one head
		s := x.Type.Shape
		return m.add(n.Name, "Reshape", ir.Attrs{"shape": []int{s[0], 1, s[1], s[2]}}, x)
	}
	if mask != nil && len(mask.Type.Shape) == 3 {
		mask = heads(mask)
	}
	y := m.add(n.Name, "Attention", attrs, heads(q), heads(k), heads(v), mask)
	return &ir.Node{Name: n.Name, Op: "Reshape", Attrs: ir.Attrs{"shape": []int(n.Outputs[0].Type.Shape)}, Inputs: []*ir.Value{y}}
}

// plainProduct reports whether nothing has been fused into a MatMul.
func plainProduct(n *ir.Node) bool {
	return n.In(2) == nil && n.In(3) == nil && !n.Attrs.Has("act") && !n.Attrs.Bool("transA")
}

// scoresOf finds the product that computes scores, looking through a constant scale.
func (m *matcher) scoresOf(v *ir.Value) *ir.Node {
	if x, _ := m.unscale(v); x != v {
		return m.by(x, "MatMul")
	}
	return m.by(v, "MatMul")
}

// unscale looks through multiplications and divisions by a number, and returns their product.
func (m *matcher) unscale(v *ir.Value) (*ir.Value, float64) {
	scale := 1.0
	for {
		if mul := m.by(v, "Mul"); mul != nil {
			if c, x := operands(mul, func(v *ir.Value) bool { _, ok := number(v); return ok }); c != nil && x.Type.Equal(v.Type) {
				s, _ := number(c)
				v, scale = x, scale*s
				continue
			}
		}
		if div := m.by(v, "Div"); div != nil && div.Inputs[0].Type.Equal(v.Type) {
			if s, ok := number(div.Inputs[1]); ok && s != 0 {
				v, scale = div.Inputs[0], scale/s
				continue
			}
		}
		return v, scale
	}
}

// swapped returns v with its last two axes swapped. If v comes from such a transpose, it undoes it.
func (m *matcher) swapped(name string, v *ir.Value) *ir.Value {
	rank := len(v.Type.Shape)
	perm := make([]int, rank)
	for i := range perm {
		perm[i] = i
	}
	x := v
	if t := m.by(v, "Transpose"); t != nil && len(t.Attrs.Ints("perm")) == rank {
		perm, x = slices.Clone(t.Attrs.Ints("perm")), t.Inputs[0]
	}
	perm[rank-1], perm[rank-2] = perm[rank-2], perm[rank-1]
	if slices.IsSorted(perm) {
		return x
	}
	return m.add(name, "Transpose", ir.Attrs{"perm": perm}, x)
}

// trains reports whether v depends on a weight that is not frozen.
func trains(v *ir.Value) bool {
	seen := map[*ir.Value]bool{}
	var visit func(v *ir.Value) bool
	visit = func(v *ir.Value) bool {
		if v == nil || seen[v] {
			return false
		}
		seen[v] = true
		if v.Kind == ir.Param {
			return true
		}
		return v.Node != nil && slices.ContainsFunc(v.Node.Inputs, visit)
	}
	return visit(v)
}
