package ir

// Extract copies the part of g that computes outputs from inputs into a new graph. Values listed as
// inputs become its Inputs, in that order, whatever they were in g. Weights and constants are
// copied by reference. It returns the new graph, and the map from g's values to their copies. If an
// output also depends on other Inputs of g, these are added after inputs.
func Extract(g *Graph, name string, inputs, outputs []*Value) (*Graph, map[*Value]*Value) {
	out := New(name)
	m := map[*Value]*Value{}
	for _, v := range inputs {
		if m[v] == nil {
			m[v] = out.AddInput(v.Name, v.Type)
			m[v].Dims = v.Dims
		}
	}
	need := map[*Node]bool{}
	visit := append([]*Value(nil), outputs...)
	for len(visit) > 0 {
		v := visit[len(visit)-1]
		visit = visit[:len(visit)-1]
		if v == nil || m[v] != nil || v.Node == nil || need[v.Node] {
			continue
		}
		need[v.Node] = true
		visit = append(visit, v.Node.Inputs...)
		for _, s := range v.Node.Attrs.Graphs() {
			visit = append(visit, s.Captures()...)
		}
	}
	c := copier{g: out, m: m}
	for _, n := range g.Nodes {
		if need[n] {
			c.node(n, out)
		}
	}
	for _, v := range outputs {
		out.Outputs = append(out.Outputs, c.value(v))
	}
	return out, m
}

// Clone copies the whole graph; weights and constants are shared.
func Clone(g *Graph) (*Graph, map[*Value]*Value) { return Extract(g, g.Name, g.Inputs, g.Outputs) }

// copier copies nodes and values, sharing contents.
type copier struct {
	g *Graph
	m map[*Value]*Value
}

// value returns the copy of v. A value that was not copied with a node comes from outside and
// becomes an input.
func (c *copier) value(v *Value) *Value {
	if v == nil {
		return nil
	}
	if w := c.m[v]; w != nil {
		return w
	}
	var w *Value
	switch v.Kind {
	case Param:
		w = c.g.NewParam(v.Name, v.Data)
	case Const:
		w = c.g.NewConst(v.Name, v.Data)
		w.Type = v.Type // of a raw graph, it may have an open axis, see IsConst
	default:
		w = c.g.AddInput(v.Name, v.Type)
	}
	w.Dims = v.Dims
	c.m[v] = w
	return w
}

// node appends a copy of n to out. An output that already has a copy keeps it, as it was made an
// input.
func (c *copier) node(n *Node, out *Graph) {
	w := &Node{Name: out.Unique(n.Name), Op: n.Op, Domain: n.Domain, Version: n.Version, Attrs: c.attrs(n.Attrs)}
	for _, v := range n.Inputs {
		w.Inputs = append(w.Inputs, c.value(v))
	}
	w.Outputs = make([]*Value, len(n.Outputs))
	for i, v := range n.Outputs {
		if v == nil {
			continue
		}
		o := out.value(v.Name, Result, v.Type)
		o.Node, o.Out = w, i
		w.Outputs[i] = o
		if c.m[v] == nil {
			c.m[v] = o
		}
	}
	out.Nodes = append(out.Nodes, w)
}

// attrs copies the subgraphs among attributes, whose nodes may read values of the surrounding
// graph.
func (c *copier) attrs(a Attrs) Attrs {
	if len(a.Graphs()) == 0 {
		return a
	}
	copied := Attrs{}
	for k, v := range a {
		s, ok := v.(*Graph)
		if !ok {
			copied[k] = v
			continue
		}
		t := New(s.Name)
		for _, in := range s.Inputs {
			c.m[in] = t.AddInput(in.Name, in.Type)
			c.m[in].Dims = in.Dims
		}
		for _, n := range s.Nodes {
			c.node(n, t)
		}
		for _, o := range s.Outputs {
			t.Outputs = append(t.Outputs, c.value(o))
		}
		copied[k] = t
	}
	return copied
}
