package split

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Network is a model split by a plan into a frozen region, which is inference, and a live region, which
// trains. It compiles each for the batch sizes that are asked for. Programs read the weights in place:
// changing a thawed weight's contents changes what the next run computes.
type Network struct {
	Base   *Base
	Headed *Headed
	Set    *freeze.Set
	Plan   *freeze.Plan
	Task   task.Task // what training minimises

	// Form says how examples of different lengths lie in the inputs; nil where all have one. Shapes are then for examples of Length steps, and
	// At gives the networks of other lengths.
	Form   *data.Form
	Length int

	// Memory bounds the buffers of a training step in bytes, 0 for no bound.
	Memory int

	// Norm standardises what the head reads during training, nil for as it is. It is folded into the
	// head's weights when the model is written (see Standard.Fold).
	Norm *Standard

	cut     []int     // positions of the frontier values, see frontier
	whole   *template // of graph, once both batch sizes were built and while the frozen region may be needed
	live    *template // of liveGraph
	varies  bool      // there are no templates: every batch size is built by itself
	frozen  map[int]*compile.Program
	eval    map[int]*compile.Program
	steps   map[int]*Step
	feature map[int]*compile.Program
	handed  map[int]*UnitResults

	// Programs of one region run in turn, whatever their batch size and length; those of different regions feed each other.
	inference, active *compile.Arena

	folded *compile.Constants // see constants

	root  *Network         // the network that At was called on
	sizes map[int]*Network // by length, in the root
	grow  []growth         // of the frontier values, in the root; see lengths
}

// At is the network for examples of a length. All share weights, plan, standardisation and memory.
func (n *Network) At(length int) *Network {
	root := n.rooted()
	if root.Form == nil || length == root.Length {
		return root
	}
	m := root.sizes[length]
	if m == nil {
		m = root.With(root.Plan)
		m.Length, m.root = length, root
		if root.sizes == nil {
			root.sizes = map[int]*Network{}
		}
		root.sizes[length] = m
	}
	return m
}

func (n *Network) rooted() *Network {
	if n.root != nil {
		return n.root
	}
	return n
}

// arenas are the memory of the frozen and of the live region.
func (n *Network) arenas() (inference, active *compile.Arena) {
	root := n.rooted()
	if root.inference == nil {
		root.inference, root.active = new(compile.Arena), new(compile.Arena)
	}
	return root.inference, root.active
}

// Graph is a specialised copy of the model in which frozen weights are constants.
func (n *Network) Graph(batch int) (*ir.Graph, error) {
	if n.whole == nil && !n.varies {
		if two, three, err := n.build23(); err != nil || n.share(two, three) != nil {
			n.varies = true
		}
	}
	if n.whole != nil {
		g, err := n.whole.at(batch)
		if err == nil {
			return g, nil
		}
		n.whole, n.live, n.varies = nil, nil, true
	}
	return n.build(batch)
}

// share makes the template of graph.
func (n *Network) share(two, three *ir.Graph) (err error) {
	n.whole, err = newTemplate(two, three)
	return err
}

// LiveGraph is the part of graph from the frontier on, and the values that it starts from.
func (n *Network) LiveGraph(batch int) (*ir.Graph, []*ir.Value, error) {
	if err := n.Prepare(); err != nil {
		return nil, nil, err
	}
	if n.live != nil {
		if g, err := n.live.at(batch); err == nil {
			return g, slices.Clone(g.Inputs), nil
		}
		n.whole, n.live, n.varies = nil, nil, true
	}
	g, err := n.build(batch)
	if err != nil {
		return nil, nil, err
	}
	cut, err := n.frontier(g)
	return g, cut, err
}

// Prepare finds the frontier and makes the templates, once.
func (n *Network) Prepare() error {
	if n.cut != nil {
		return nil
	}
	var two, three *ir.Graph
	var err error
	if n.whole != nil {
		two, three = n.whole.two, n.whole.three
	} else if two, three, err = n.build23(); err != nil {
		return err
	}
	if n.root != nil {
		n.cut, err = n.root.cutIn(two)
	} else {
		n.cut, err = n.chooseCut(two, three)
	}
	if err != nil {
		return err
	}
	if n.whole == nil && n.share(two, three) != nil {
		n.varies = true
		return nil
	}
	if n.live, err = n.whole.from(n.cut); err != nil {
		n.whole, n.live, n.varies = nil, nil, true
	}
	return nil
}

// build compiles the graph of one batch size.
func (n *Network) build(batch int) (*ir.Graph, error) {
	return compile.Model(n.Headed.Graph, compile.Options{
		Shapes:    n.Base.ShapesAt(batch, n.Length),
		Frozen:    func(v *ir.Value) bool { return n.Plan.Of(v.Name).State == freeze.Frozen },
		Constants: n.constants(),
	})
}

// build23 compiles for two batch sizes, one after the other so that the second finds the constants of the first.
func (n *Network) build23() (two, three *ir.Graph, err error) {
	if two, err = n.build(2); err != nil {
		return nil, nil, err
	}
	three, err = n.build(3)
	return two, three, err
}

// constants are what all graphs of the model share, whatever their batch size and length.
func (n *Network) constants() *compile.Constants {
	root := n.rooted()
	if root.folded == nil {
		root.folded = new(compile.Constants)
	}
	return root.folded
}

// Twin is a network of the same split that has compiled nothing.
func (n *Network) Twin() *Network {
	m := n.With(n.Plan)
	m.Norm, m.Memory = nil, 0
	m.cut, m.whole, m.live, m.varies, m.folded = n.cut, n.whole, n.live, n.varies, n.constants()
	return m
}

// IsNew reports whether a weight is none of the pretrained model's: of a fresh head, or of an adapter.
func (n *Network) IsNew(name string) bool {
	return !slices.ContainsFunc(n.Base.Model.Params, func(p *onnx.Param) bool { return p.Name == name })
}

// thawed lists the plan's trained weights as values of g, in the set's order; nil for one that g does
// not read.
func (n *Network) thawed(g *ir.Graph) []*ir.Value {
	byName := map[string]*ir.Value{}
	for _, p := range g.Params() {
		byName[p.Name] = p
	}
	var out []*ir.Value
	n.Plan.Thawed(n.Set).Each(func(w *freeze.Weight, _ freeze.Entry) { out = append(out, byName[w.Name]) })
	return out
}

// program compiles a part of the model for one batch size, once.
func (n *Network) program(cache *map[int]*compile.Program, live bool, batch int, part func() (*ir.Graph, error)) (*compile.Program, error) {
	if p := (*cache)[batch]; p != nil {
		return p, nil
	}
	g, err := part()
	if err != nil {
		return nil, err
	}
	arena, active := n.arenas()
	if live {
		arena = active
	}
	p, err := compile.Region(g, compile.Memory{Arena: arena})
	if err != nil {
		return nil, err
	}
	if *cache == nil {
		*cache = map[int]*compile.Program{}
	}
	(*cache)[batch] = p
	return p, nil
}

// Frozen is the frozen region: from the model's inputs to the frontier.
func (n *Network) Frozen(batch int) (*compile.Program, error) {
	return n.program(&n.frozen, false, batch, func() (*ir.Graph, error) {
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

// Eval is the live region as inference: from the frontier to the scores.
func (n *Network) Eval(batch int) (*compile.Program, error) {
	return n.program(&n.eval, true, batch, func() (*ir.Graph, error) {
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

// Features is the live region up to what a fresh head reads, not standardised.
func (n *Network) Features(batch int) (*compile.Program, error) {
	return n.program(&n.feature, true, batch, func() (*ir.Graph, error) {
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

// ReleaseFrozen drops the programs of the frozen region and what they are made from, whose packed weights and activations are
// not needed while its values come from a store. A later use compiles them again.
func (n *Network) ReleaseFrozen() {
	n.frozen, n.whole, n.inference, n.folded = nil, nil, nil, nil
	for _, m := range n.sizes {
		m.frozen, m.whole = nil, nil
	}
}

// ReleaseFeatures drops the programs of Features.
func (n *Network) ReleaseFeatures() {
	n.feature = nil
	for _, m := range n.sizes {
		m.feature = nil
	}
}

// CompiledStep is the training step that was compiled for a batch at any length, nil where none was.
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

// ReleaseStep drops the training step of a batch.
func (n *Network) ReleaseStep(batch int) { delete(n.steps, batch) }
