package ir

// Extract copies the part of g that computes outputs from inputs into a new graph. Values listed as
// inputs become its Inputs, in that order, whatever they were in g; weights and constants are copied by
// reference. It returns the new graph and the map from g's values to their copies. A value that depends
// on something else than inputs, weights and constants drags g's own Inputs along after inputs.
func Extract(g *Graph, name string, inputs, outputs []*Value) (*Graph, map[*Value]*Value) {
	out := New(name)
	m := map[*Value]*Value{}
	for _, v := range inputs {
		if m[v] == nil {
			m[v] = out.AddInput(v.Name, v.Type)
		}
	}
	need := map[*Node]bool{}
	var visit []*Value
	visit = append(visit, outputs...)
	for len(visit) > 0 {
		v := visit[len(visit)-1]
		visit = visit[:len(visit)-1]
		if v == nil || m[v] != nil || v.Node == nil || need[v.Node] {
			continue
		}
		need[v.Node] = true
		visit = append(visit, v.Node.Inputs...)
	}
	get := func(v *Value) *Value {
		if v == nil {
			return nil
		}
		if c := m[v]; c != nil {
			return c
		}
		var c *Value
		switch v.Kind {
		case Param:
			c = out.NewParam(v.Name, v.Data)
		case Const:
			c = out.NewConst(v.Name, v.Data)
		default:
			c = out.AddInput(v.Name, v.Type)
		}
		m[v] = c
		return c
	}
	for _, n := range g.Nodes {
		if !need[n] {
			continue
		}
		c := &Node{Name: out.Unique(n.Name), Op: n.Op, Domain: n.Domain, Version: n.Version, Attrs: n.Attrs}
		for _, v := range n.Inputs {
			c.Inputs = append(c.Inputs, get(v))
		}
		types := make([]Type, len(n.Outputs))
		names := make([]string, len(n.Outputs))
		for i, v := range n.Outputs {
			if v != nil {
				types[i], names[i] = v.Type, v.Name
			}
		}
		out.AddNode(c, types, names...)
		for i, v := range n.Outputs {
			if v != nil && m[v] == nil { // a value listed as input keeps being one
				m[v] = c.Outputs[i]
			}
		}
	}
	for _, v := range outputs {
		out.Outputs = append(out.Outputs, get(v))
	}
	return out, m
}

// Clone copies the whole graph; weights and constants are shared.
func Clone(g *Graph) (*Graph, map[*Value]*Value) { return Extract(g, g.Name, g.Inputs, g.Outputs) }
