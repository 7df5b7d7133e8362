package onnx

// sortNodes orders nodes so that each name is defined before it is read, and otherwise keeps the
// order. The file's order is nearly always right. It errors if nodes depend on each other in a
// cycle.
func sortNodes(list []*nodeProto) ([]*nodeProto, error) {
	maker := map[string]int{}
	for i, n := range list {
		for _, o := range n.outputs {
			if o != "" {
				maker[o] = i
			}
		}
	}
	sorted := true
	deps := make([][]int, len(list))
	for i, n := range list {
		for _, name := range n.reads() {
			if j, ok := maker[name]; ok {
				deps[i] = append(deps[i], j)
				sorted = sorted && j < i
			}
		}
	}
	if sorted {
		return list, nil
	}
	const visiting, done = 1, 2
	state := make([]uint8, len(list))
	order := make([]*nodeProto, 0, len(list))
	for root := range list {
		if state[root] == done {
			continue
		}
		state[root] = visiting
		for stack := []int{root}; len(stack) > 0; {
			i := stack[len(stack)-1]
			if len(deps[i]) == 0 {
				state[i] = done
				order = append(order, list[i])
				stack = stack[:len(stack)-1]
				continue
			}
			j := deps[i][0]
			deps[i] = deps[i][1:]
			switch state[j] {
			case visiting:
				return nil, list[j].errorf("what it computes depends on itself: the graph has a cycle")
			case 0:
				state[j] = visiting
				stack = append(stack, j)
			}
		}
	}
	return order, nil
}

// reads lists the names that a node reads: its inputs, and what its subgraphs capture.
func (n *nodeProto) reads() []string {
	names := n.inputs
	for _, a := range n.attrs {
		if a.g != nil {
			names = append(names[:len(names):len(names)], a.g.freeNames()...)
		}
	}
	return names
}

// freeNames lists the names that a graph reads and does not define.
func (g *graphProto) freeNames() []string {
	if g.hasFree {
		return g.free
	}
	g.hasFree = true
	own := map[string]bool{"": true}
	for _, v := range g.inputs {
		own[v.name] = true
	}
	for _, t := range g.inits {
		own[t.name] = true
	}
	for _, n := range g.nodes {
		for _, o := range n.outputs {
			own[o] = true
		}
	}
	read := func(name string) {
		if !own[name] {
			own[name] = true
			g.free = append(g.free, name)
		}
	}
	for _, n := range g.nodes {
		for _, name := range n.reads() {
			read(name)
		}
	}
	for _, v := range g.outputs {
		read(v.name)
	}
	return g.free
}
