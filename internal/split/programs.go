package split

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// program compiles a part of the model for one batch size, once.
func (n *Network) program(cache *map[int]*compile.Program, batch int, part func() (*ir.Graph, error)) (*compile.Program, error) {
	if p := (*cache)[batch]; p != nil {
		return p, nil
	}
	g, err := part()
	if err != nil {
		return nil, err
	}
	p, err := n.region(g, 0)
	if err != nil {
		return nil, err
	}
	if *cache == nil {
		*cache = map[int]*compile.Program{}
	}
	(*cache)[batch] = p
	return p, nil
}

// Frozen is the frozen region: from the model's inputs to the frontier. It takes turns with the live
// region in one memory: its results are copied (compile.Program.Detach) before that runs on them.
func (n *Network) Frozen(batch int) (*compile.Program, error) {
	if n.oneByOne(batch) {
		if n.frozen[batch] == nil {
			one, err := n.Frozen(1)
			if err != nil {
				return nil, err
			}
			n.frozen[batch] = one.Repeat(batch) // one made the map
		}
		return n.frozen[batch], nil
	}
	return n.program(&n.frozen, batch, func() (*ir.Graph, error) {
		g, err := n.Graph(batch)
		if err != nil {
			return nil, err
		}
		cut, err := n.frontier(g)
		if err != nil {
			return nil, err
		}
		sub, _ := ir.Extract(g, "frozen", g.Inputs, cut)
		return sub, nil
	})
}

// Eval returns the live region as inference: from the frontier to the scores.
func (n *Network) Eval(batch int) (*compile.Program, error) {
	return n.program(&n.eval, batch, func() (*ir.Graph, error) {
		g, cut, err := n.LiveGraph(batch)
		if err != nil {
			return nil, err
		}
		if err := n.standardise(g); err != nil {
			return nil, err
		}
		given, err := n.average(g, batch)
		if err != nil {
			return nil, err
		}
		sub, _ := ir.Extract(g, "eval", append(cut, given...), g.Outputs)
		return sub, nil
	})
}

// Inference compiles the whole network as its tuned file runs: all weights are frozen, and adapters
// that are to be merged are no part of it. The program is the caller's.
func (n *Network) Inference(batch int) (*compile.Program, error) {
	h := n.Headed
	if h.bare != nil {
		h = h.bare
	}
	return compile.Inference(h.Graph, n.Base.ShapesAt(batch, n.Length), compile.Memory{})
}

// Features returns the live region up to the input of a fresh head, not standardised.
func (n *Network) Features(batch int) (*compile.Program, error) {
	return n.program(&n.feature, batch, func() (*ir.Graph, error) {
		g, cut, err := n.LiveGraph(batch)
		if err != nil {
			return nil, err
		}
		node := n.headNode(g)
		if node == nil {
			return nil, fmt.Errorf("split: the model has no fresh head")
		}
		sub, _ := ir.Extract(g, "features", cut, node.Inputs[:1])
		return sub, nil
	})
}

func (n *Network) headNode(g *ir.Graph) *ir.Node {
	for _, m := range g.Nodes {
		if n.Headed.Linear != "" && (m.Name == n.Headed.Linear || strings.HasPrefix(m.Name, n.Headed.Linear+"_")) && m.Op == "MatMul" {
			return m
		}
	}
	return nil
}

// ReleaseFrozen drops the programs of the frozen region and their sources. Their packed weights and
// activations are not needed while frontier values come from a store. A later use compiles them
// again.
func (n *Network) ReleaseFrozen() {
	n.frozen, n.whole, n.folded = nil, nil, nil
	for _, m := range n.sizes {
		m.frozen, m.whole = nil, nil
	}
	if root := n.rooted(); !root.compiledLive() {
		root.arena = nil
	}
}

// compiledLive reports whether a program of the live region has been compiled at any length.
func (n *Network) compiledLive() bool {
	for _, m := range n.sizes {
		if m.compiledLive() {
			return true
		}
	}
	return len(n.eval)+len(n.steps)+len(n.feature)+len(n.handed) > 0
}

// ReleaseFeatures drops the programs of Features.
func (n *Network) ReleaseFeatures() {
	n.feature = nil
	for _, m := range n.sizes {
		m.feature = nil
	}
}

// CompiledStep returns the compiled training step for a batch size at any length, nil if there is
// none.
func (n *Network) CompiledStep(batch int) *Step {
	if s := n.steps[batch]; s != nil {
		return s
	}
	for _, length := range slices.Sorted(maps.Keys(n.sizes)) {
		if s := n.sizes[length].steps[batch]; s != nil {
			return s
		}
	}
	return nil
}

// ReleaseBatch drops the programs for a batch size at all lengths, but for training steps.
func (n *Network) ReleaseBatch(batch int) {
	for _, cache := range []map[int]*compile.Program{n.frozen, n.eval, n.feature} {
		delete(cache, batch)
	}
	for _, m := range n.sizes {
		m.ReleaseBatch(batch)
	}
}

// Release drops all that the network has compiled, and the memory of its programs. A later use compiles it
// again.
func (n *Network) Release() {
	root := n.rooted()
	root.ReleaseFrozen()
	root.eval, root.steps, root.feature, root.handed, root.arena, root.sizes = nil, nil, nil, nil, nil, nil
}

// ReleaseStep drops the training step for a batch size.
func (n *Network) ReleaseStep(batch int) { delete(n.steps, batch) }
