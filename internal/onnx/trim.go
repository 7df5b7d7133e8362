package onnx

import (
	"maps"
	"slices"
)

// Trim adds to p the removal of everything that is no longer needed once p is applied: nodes and
// initializers on which outputs depended only before. This happens when a head is replaced or the
// network is cut at an earlier value. What was never needed stays.
func (m *Model) Trim(p *Patch) {
	g := m.proto.graph
	maker := map[string]int{}
	for i, n := range g.nodes {
		for _, o := range n.outputs {
			maker[o] = i
		}
	}
	var outputs []string
	for _, v := range g.outputs {
		outputs = append(outputs, v.name)
	}
	nodes, names := reach(outputs, maker, func(i int) []string { return g.nodes[i].reads() })

	added := maps.Clone(maker) // nodes of the patched graph: the file's, then p's
	for i, n := range p.AddNodes {
		for _, o := range n.Outputs {
			added[o] = len(g.nodes) + i
		}
	}
	rewired := map[int]map[int]string{}
	for _, w := range p.Rewire {
		if i, ok := maker[w.Node]; ok {
			if rewired[i] == nil {
				rewired[i] = map[int]string{}
			}
			rewired[i][w.Index] = w.Value
		}
	}
	if p.Outputs != nil {
		outputs = nil
		for _, v := range p.Outputs {
			outputs = append(outputs, v.Name)
		}
	}
	nodesAfter, namesAfter := reach(outputs, added, func(i int) []string {
		if i >= len(g.nodes) {
			n := p.AddNodes[i-len(g.nodes)]
			in := n.Inputs
			for _, s := range n.Attrs.Graphs() {
				for _, v := range s.Captures() {
					in = append(slices.Clip(in), v.Name)
				}
			}
			return in
		}
		in := slices.Clone(g.nodes[i].reads())
		for j, to := range rewired[i] {
			if j < len(in) {
				in[j] = to
			}
		}
		return in
	})

	gone := map[string]bool{}
	for _, name := range p.RemoveNodes {
		gone[name] = true
	}
	for _, name := range p.RemoveInitializers {
		gone[name] = true
	}
	removed := map[string]bool{}
	for i, n := range g.nodes {
		if !nodes[i] || nodesAfter[i] {
			continue
		}
		name, done := "", false
		for _, o := range n.outputs {
			if o != "" {
				name, done = o, done || gone[o]
				removed[o] = true
			}
		}
		if !done {
			p.RemoveNodes = append(p.RemoveNodes, name)
		}
	}
	for _, t := range g.inits {
		if names[t.name] && !namesAfter[t.name] && !gone[t.name] {
			p.RemoveInitializers = append(p.RemoveInitializers, t.name)
		}
	}
	for _, v := range g.valueInfo {
		if removed[v.name] {
			p.DropValueInfos = append(p.DropValueInfos, v.name)
		}
	}
}

// reach returns the nodes and names on which outputs depend. maker maps a name to the node that
// computes it.
func reach(outputs []string, maker map[string]int, reads func(int) []string) (nodes map[int]bool, names map[string]bool) {
	nodes, names = map[int]bool{}, map[string]bool{"": true}
	for stack := slices.Clone(outputs); len(stack) > 0; {
		name := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if names[name] {
			continue
		}
		names[name] = true
		if i, ok := maker[name]; ok && !nodes[i] {
			nodes[i] = true
			stack = append(stack, reads(i)...)
		}
	}
	return nodes, names
}
