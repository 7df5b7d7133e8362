package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// onlyReadRows computes only those rows of a value that anything reads. A classifier over the class
// token reads one position of the last block's result, so that block needs its products, norms and
// queries for one position only; keys and values still come from all.
//
// A row is what one index of an axis selects. From the outputs back it is found out which rows of
// each value are read: all of its readers must take the same ones, by a slice or because each row of
// their own result comes from the same row (ir.Traits.Rows). The slice then moves to where the rows
// begin to depend on each other. It stays where it is if no product would become smaller.
func onlyReadRows(g *ir.Graph) error {
	for _, n := range g.Nodes {
		if len(n.Attrs.Graphs()) > 0 { // which may read any value
			return nil
		}
	}
	if err := rewrite(g, matchReshapedProduct); err != nil {
		return err
	}
	read := readRows(g)
	read.keepWorthwhile(g)
	if len(read.of) == 0 {
		return nil
	}
	return read.compute(g)
}

// matchReshapedProduct: rows that are joined for a product and divided after it stay apart, so that
// each of their axes is one of rows. Gemm is exported in this way.
func matchReshapedProduct(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Reshape" {
		return nil
	}
	p := m.by(n.Inputs[0], "MatMul")
	if p == nil || !rowwiseProduct(p) {
		return nil
	}
	x, y, out := p.Inputs[0], p.Outputs[0].Type.Shape, n.Outputs[0].Type.Shape
	if len(y) != 2 || len(out) < 3 || out[len(out)-1] != y[1] || y.Len() == 0 {
		return nil
	}
	if x.Node != nil && x.Node.Op == "Reshape" {
		x = x.Node.Inputs[0]
	}
	shape := slices.Clone(out)
	shape[len(shape)-1] = p.Inputs[0].Type.Shape[1]
	if !x.Type.Shape.Equal(shape) {
		x = m.add(n.Name, "Reshape", ir.Attrs{"shape": []int(shape)}, x)
	}
	return &ir.Node{Name: p.Name, Op: "MatMul", Attrs: p.Attrs, Inputs: append([]*ir.Value{x}, p.Inputs[1:]...)}
}

// rows are the indices from to to along an axis of a value.
type rows struct{ axis, from, to int }

func (r rows) count() int { return r.to - r.from }

// reading is what of a graph is read.
type reading struct {
	of      map[*ir.Value]rows   // the rows of a value, if they are not all
	inputs  map[*ir.Node][]*rows // of each input of a node that computes such a value, nil for all
	selects map[*ir.Node]bool    // nodes that only select the rows of their input
	whole   map[*ir.Value]bool   // values of which all is read
}

func readRows(g *ir.Graph) *reading {
	read := &reading{map[*ir.Value]rows{}, map[*ir.Node][]*rows{}, map[*ir.Node]bool{}, map[*ir.Value]bool{}}
	for _, v := range g.Outputs {
		read.whole[v] = true
	}
	for _, n := range slices.Backward(g.Nodes) {
		in := make([]*rows, len(n.Inputs))
		if r, ok := selection(n); ok {
			in[0], read.selects[n] = &r, true
		} else if r, ok := read.only(n); ok {
			if from := neededRows(n, r); from != nil {
				in, read.inputs[n] = from, from
			}
		}
		for i, v := range n.Inputs {
			if v == nil {
				continue
			}
			old, other := read.of[v]
			if in[i] == nil || other && old != *in[i] {
				read.whole[v] = true
			} else {
				read.of[v] = *in[i]
			}
		}
	}
	for v := range read.of {
		if read.whole[v] || read.inputs[v.Node] == nil {
			delete(read.of, v)
		}
	}
	return read
}

// only gives the rows of the first output of n that are read, if they are not all and nothing reads
// the other outputs.
func (read *reading) only(n *ir.Node) (rows, bool) {
	for i, v := range n.Outputs {
		if _, ok := read.of[v]; v != nil && (read.whole[v] || i > 0 && ok) {
			return rows{}, false
		}
	}
	r, ok := read.of[n.Outputs[0]]
	return r, ok
}

// selection gives the rows that n selects of its first input, if that is all it does.
func selection(n *ir.Node) (rows, bool) {
	switch n.Op {
	case "Slice":
		x, axes := n.Inputs[0].Type.Shape, n.Attrs.Ints("axes")
		if len(axes) != 1 || len(n.Attrs.Ints("starts")) != 1 || slices.ContainsFunc(n.Attrs.Ints("steps"), func(s int) bool { return s != 1 }) {
			return rows{}, false
		}
		axis := fromFront(axes[0], len(x))
		from := n.Attrs.Ints("starts")[0]
		if from < 0 {
			from += x[axis]
		}
		from = min(max(from, 0), x[axis])
		r := rows{axis, from, from + n.Outputs[0].Type.Shape[axis]}
		return r, 0 < r.count() && r.count() < x[axis]
	case "Gather":
		x, at := n.Inputs[0], n.Inputs[1]
		if x.IsConst() || !at.IsConst() || at.Type.Shape.Len() != 1 {
			return rows{}, false
		}
		axis := fromFront(n.Attrs.Int("axis", 0), len(x.Type.Shape))
		i := int(at.Data.Float64s()[0])
		if i < 0 {
			i += x.Type.Shape[axis]
		}
		return rows{axis, i, i + 1}, 0 <= i && i < x.Type.Shape[axis] && x.Type.Shape[axis] > 1
	}
	return rows{}, false
}

func fromFront(axis, rank int) int {
	if axis < 0 {
		axis += rank
	}
	return axis
}

// neededRows gives for every input of n the rows from which rows r of its result are computed; an entry
// is nil for an input of which all is needed. The result is nil if r cannot be computed alone.
func neededRows(n *ir.Node, r rows) []*rows {
	in := make([]*rows, len(n.Inputs))
	x, y := n.Inputs[0], n.Outputs[0].Type.Shape
	switch {
	case n.Op == "Attention":
		return attentionRows(n, r, in)
	case n.Op == "Transpose":
		perm := n.Attrs.Ints("perm")
		if len(perm) != len(y) {
			return nil
		}
		in[0] = &rows{perm[r.axis], r.from, r.to}
	case n.Op == "Reshape":
		in[0] = reshapedRows(x.Type.Shape, y, r)
		if in[0] == nil {
			return nil
		}
	case n.Traits().Elementwise:
		for i, v := range n.Inputs {
			if v == nil {
				continue
			}
			axis := r.axis - (len(y) - len(v.Type.Shape))
			if axis >= 0 && v.Type.Shape[axis] > 1 { // else it is the same for all rows
				in[i] = &rows{axis, r.from, r.to}
			}
		}
	case n.Op == "MatMul" && len(n.Inputs[1].Type.Shape) == 2, n.Op == "LayerNormalization", n.Op == "RMSNormalization":
		if n.In(3) != nil || n.In(2) != nil && len(n.In(2).Type.Shape) > 1 || len(x.Type.Shape) != len(y) {
			return nil
		}
		axes := make([]int, len(n.Inputs))
		for i := range axes {
			axes[i] = -1
		}
		axes[0] = r.axis
		if !n.Traits().Rows(n, len(y), axes, r.axis) {
			return nil
		}
		in[0] = &r
	default:
		return nil
	}
	return in
}

// reshapedRows are rows r of y in x, of which y is another shape: an axis may be divided or joined.
func reshapedRows(x, y tensor.Shape, r rows) *rows {
	outer, inner := y[:r.axis].Len(), y[r.axis+1:].Len()
	for axis, d := range x {
		below := x[axis+1:].Len()
		if d > 1 && below > 0 && x[:axis].Len() == outer && r.from*inner%below == 0 && r.to*inner%below == 0 {
			return &rows{axis, r.from * inner / below, r.to * inner / below}
		}
	}
	return nil
}

// attentionRows: a query has a row of the result. A mask has a row for each query, or one for all.
func attentionRows(n *ir.Node, r rows, in []*rows) []*rows {
	axis := len(n.Inputs[0].Type.Shape) - 2 // of [B,H,T,D] and of [B,T,H*D]
	if n.Attrs.Has("extent") || n.Attrs.Bool("is_causal") || r.axis != axis {
		return nil
	}
	in[0] = &r
	if m := n.In(3); m != nil {
		s := m.Type.Shape
		if at := len(s) - 2; at >= 0 && s[at] > 1 {
			in[3] = &rows{at, r.from, r.to}
		}
	}
	return in
}

// keepWorthwhile leaves only rows whose computing makes a product smaller, or reads one that is.
func (read *reading) keepWorthwhile(g *ir.Graph) {
	for _, n := range g.Nodes {
		t := n.Traits()
		if !t.Linear && !t.Attention && !slices.ContainsFunc(n.Inputs, read.narrows) {
			delete(read.of, n.Outputs[0])
		}
	}
}

// narrows reports whether only rows of v are to be computed.
func (read *reading) narrows(v *ir.Value) bool {
	_, ok := read.of[v]
	return ok
}

// compute narrows nodes to the rows that are read.
func (read *reading) compute(g *ir.Graph) error {
	type part struct {
		v *ir.Value
		r rows
	}
	b := ir.NewBuilder(g, "")
	nodes := g.Nodes
	g.Nodes = nil
	parts := map[part]*ir.Value{}
	take := func(v *ir.Value, r rows) *ir.Value {
		if read.narrows(v) {
			return v
		}
		if parts[part{v, r}] == nil {
			parts[part{v, r}] = b.Op("Slice", ir.Attrs{"starts": []int{r.from}, "ends": []int{r.to}, "axes": []int{r.axis}}, v)
		}
		return parts[part{v, r}]
	}
	for _, n := range nodes {
		if r, ok := read.of[n.Outputs[0]]; ok {
			if err := narrow(n, r, read.inputs[n], take); err != nil {
				return err
			}
		} else if read.selects[n] && read.narrows(n.Inputs[0]) {
			n.Op, n.Attrs, n.Inputs = "Reshape", ir.Attrs{"shape": []int(n.Outputs[0].Type.Shape)}, n.Inputs[:1]
		}
		g.Nodes = append(g.Nodes, n)
	}
	return b.Err()
}

// narrow makes n compute rows r of its result, from the parts of its inputs that take gives.
func narrow(n *ir.Node, r rows, parts []*rows, take func(*ir.Value, rows) *ir.Value) error {
	n.Inputs = slices.Clone(n.Inputs)
	for i, part := range parts {
		if part != nil {
			n.Inputs[i] = take(n.Inputs[i], *part)
		}
	}
	if n.Op == "Reshape" {
		shape := slices.Clone([]int(n.Outputs[0].Type.Shape))
		shape[r.axis] = r.count()
		n.Attrs = n.Attrs.With("shape", shape)
	}
	types, err := ir.Lookup(n.Op).Infer(n)
	if err != nil {
		return n.Errorf("%w", err)
	}
	for i, v := range n.Outputs {
		if v != nil {
			v.Type = types[i]
		}
	}
	return nil
}
