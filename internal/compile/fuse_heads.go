package compile

import (
	"cmp"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// placeHeads lets attention read its heads where products leave them, also queries, keys and values
// side by side, and write its result where the next product reads it: the slices and transposes
// between them disappear. A transpose of positions and examples moves through a product on the way.
// Attention that has a gradient stays as it is: its gradient reads the same tensors.
func placeHeads(g *ir.Graph) error {
	return rewrite(g, matchProductAfterTranspose, matchRearrangedProduct, matchPlacedHeads)
}

// matchProductAfterTranspose: a product of transposed rows that only attention reads is transposed
// after it.
func matchProductAfterTranspose(m *matcher, n *ir.Node) *ir.Node {
	if !rowwiseProduct(n) {
		return nil
	}
	t := m.by(n.Inputs[0], "Transpose")
	if t == nil || !keepsLast(t) || !m.onlyHeads(n.Outputs[0]) {
		return nil
	}
	y := m.add(n.Name, "MatMul", n.Attrs, append([]*ir.Value{t.Inputs[0]}, n.Inputs[1:]...)...)
	return &ir.Node{Name: n.Name, Op: "Transpose", Attrs: t.Attrs, Inputs: []*ir.Value{y}}
}

// matchRearrangedProduct: rows that come from attention are rearranged before the product.
func matchRearrangedProduct(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Reshape" && n.Op != "Transpose" {
		return nil
	}
	p := m.by(n.Inputs[0], "MatMul")
	if p == nil || !rowwiseProduct(p) || m.users[p.Inputs[0]] != 1 || m.attention(p.Inputs[0]) == nil {
		return nil
	}
	s, out := n.Inputs[0].Type.Shape, n.Outputs[0].Type.Shape
	attrs := n.Attrs
	switch {
	case n.Op == "Transpose" && keepsLast(n):
	case n.Op == "Reshape" && len(out) > 1 && out[len(out)-1] == s[len(s)-1]:
		shape := slices.Clone([]int(out))
		shape[len(shape)-1] = p.Inputs[0].Type.Shape[len(s)-1]
		attrs = ir.Attrs{"shape": shape}
	default:
		return nil
	}
	x := m.add(n.Name, n.Op, attrs, p.Inputs[0])
	return &ir.Node{Name: p.Name, Op: "MatMul", Attrs: p.Attrs, Inputs: append([]*ir.Value{x}, p.Inputs[1:]...)}
}

// rowwiseProduct reports whether n multiplies every row of a tensor with the same matrix, and does
// nothing else that depends on where a row is.
func rowwiseProduct(n *ir.Node) bool {
	return n.Op == "MatMul" && !n.Attrs.Bool("transA") && n.In(3) == nil && len(n.Inputs[0].Type.Shape) >= 2 &&
		len(n.Inputs[1].Type.Shape) == 2 && (n.In(2) == nil || len(n.In(2).Type.Shape) == 1)
}

// keepsLast reports whether a Transpose leaves the last axis where it is.
func keepsLast(t *ir.Node) bool {
	perm := t.Attrs.Ints("perm")
	return len(perm) > 0 && perm[len(perm)-1] == len(perm)-1
}

// matchPlacedHeads replaces attention, and the reshapes and transposes that alone read its result,
// by attention that says where its heads are.
func matchPlacedHeads(m *matcher, n *ir.Node) *ir.Node {
	a := m.attention(n.Outputs[0])
	if a == nil || a.Attrs.Has("extent") {
		return nil
	}
	var ends []*ir.Value // of the result and its rearrangements
	for v := a.Outputs[0]; v != nil; v = m.rearranged(v) {
		ends = append(ends, v)
	}
	for _, end := range slices.Backward(ends) {
		attrs, in := m.placed(a, end)
		if attrs == nil {
			continue
		}
		if end != n.Outputs[0] || end == a.Outputs[0] && slices.Equal(in, a.Inputs[:3]) {
			return nil
		}
		return &ir.Node{Name: a.Name, Op: "Attention", Attrs: attrs, Inputs: append(in, a.In(3))}
	}
	return nil
}

// attention is the operator without a gradient whose result v is, rearranged or not, if nothing else
// reads it.
func (m *matcher) attention(v *ir.Value) *ir.Node {
	for v != nil && v.Node != nil {
		switch n := v.Node; {
		case n.Op == "Attention":
			if forwardOnly(m, n) && v == n.Outputs[0] {
				return n
			}
			return nil
		case (n.Op == "Reshape" || n.Op == "Transpose") && m.users[n.Inputs[0]] == 1:
			v = n.Inputs[0]
		default:
			return nil
		}
	}
	return nil
}

func forwardOnly(m *matcher, n *ir.Node) bool {
	sums := n.Outputs[1]
	return (sums == nil || m.users[sums] == 0) && n.In(0).Type.DType == tensor.Float32
}

// rearranged is what a Reshape or Transpose makes of v, if nothing else reads it.
func (m *matcher) rearranged(v *ir.Value) *ir.Value {
	if m.users[v] != 1 {
		return nil
	}
	for _, n := range m.g.Nodes {
		if (n.Op == "Reshape" || n.Op == "Transpose") && n.Inputs[0] == v {
			return n.Outputs[0]
		}
	}
	return nil
}

// onlyHeads reports whether v is read, through slices, reshapes and transposes, by attention only.
func (m *matcher) onlyHeads(v *ir.Value) bool {
	found := 0
	for _, n := range m.g.Nodes {
		for _, in := range n.Inputs {
			if in != v {
				continue
			}
			switch n.Op {
			case "Slice", "Reshape", "Transpose":
				if !m.onlyHeads(n.Outputs[0]) {
					return false
				}
			case "Attention":
				if !forwardOnly(m, n) || v == n.In(3) {
					return false
				}
			default:
				return false
			}
			found++
		}
	}
	return found > 0 && found == m.users[v]
}

// placed gives the attributes of attention a that reads its heads in the values in and writes its
// result as end, nil if that is not possible.
func (m *matcher) placed(a *ir.Node, end *ir.Value) (attrs ir.Attrs, in []*ir.Value) {
	views := make([]view, 4)
	for i, v := range a.Inputs[:3] {
		if len(v.Type.Shape) != 4 {
			return nil, nil
		}
		views[i] = viewOf(v)
		in = append(in, views[i].base)
	}
	y := a.Outputs[0]
	if viewOf(end).base != y {
		return nil, nil
	}
	axes, ok := regroup(inverse(slices.Concat(viewOf(end).axes...)), y.Type.Shape)
	if !ok {
		return nil, nil
	}
	views[3] = view{axes: axes}
	q, k, v := a.Inputs[0].Type.Shape, a.Inputs[1].Type.Shape, a.Inputs[2].Type.Shape
	splits := [][2]int{{q[0], q[1]}}
	if a.In(3) == nil && q[1] == k[1] {
		for _, x := range views { // batch and heads may be one axis that consists of two
			if strips := merged(slices.Concat(x.axes[0], x.axes[1])); len(strips) == 2 {
				splits = append(splits, [2]int{strips[0].size, strips[1].size})
			}
		}
	}
next:
	for _, s := range splits {
		batch, heads := s[0], s[1]
		kv := heads
		if q[1] != k[1] {
			kv = k[1]
		}
		attrs = maps.Clone(a.Attrs)
		if attrs == nil {
			attrs = ir.Attrs{}
		}
		attrs["extent"] = []int{batch, heads, kv, q[2], k[2], q[3], v[3]}
		attrs["shape"] = []int(end.Type.Shape)
		for i, name := range []string{"q_at", "k_at", "v_at", "y_at"} {
			count := kv
			if i == 0 || i == 3 {
				count = heads
			}
			at, ok := views[i].heads(batch, count)
			if !ok {
				continue next
			}
			attrs[name] = at
		}
		return attrs, in
	}
	return nil, nil
}

// heads gives where a view of [B,H,T,D] begins and the steps between examples, heads and positions,
// if batch and heads are those of B times H and the values of a head are neighbours.
func (x view) heads(batch, heads int) ([]int, bool) {
	outer, ok := regroup(slices.Concat(x.axes[0], x.axes[1]), tensor.Shape{batch, heads})
	if !ok {
		return nil, false
	}
	at := []int{x.offset}
	for _, axis := range [][]strip{outer[0], outer[1], x.axes[2]} {
		r, ok := single(axis)
		if !ok {
			return nil, false
		}
		at = append(at, r.step)
	}
	if d, ok := single(x.axes[3]); !ok || d.size > 1 && d.step != 1 {
		return nil, false
	}
	return at, true
}

// inverse turns the strips of y in x, of which x is all, into those of x in y.
func inverse(strips []strip) []strip {
	strips = merged(strips)
	out, order := make([]strip, len(strips)), make([]int, len(strips))
	step := 1
	for i, r := range slices.Backward(strips) {
		out[i], order[i] = strip{r.size, step}, i
		step *= r.size
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(strips[j].step, strips[i].step) })
	in := make([]strip, len(strips))
	for k, i := range order {
		in[k] = out[i]
	}
	return in
}
