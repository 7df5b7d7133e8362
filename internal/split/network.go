package split

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Network is a model split by a plan into a frozen region, which only runs inference, and a live
// region, which trains. It compiles each region for the batch sizes that are asked for. Programs
// read the weights in place: a change to the contents of a thawed weight takes effect at the next
// run.
type Network struct {
	Base   *Base
	Headed *Headed
	Set    *freeze.Set
	Plan   *freeze.Plan
	Task   task.Task // what training minimises

	// Form says how examples of different lengths are laid out in the inputs. It is nil if all have
	// one length. Otherwise shapes are for examples of Length steps, and At returns the networks of
	// other lengths.
	Form   *data.Form
	Length int

	// Memory limits the buffers of a training step in bytes. 0 is no limit.
	Memory int

	// Dropout is the probability with which a training step drops each value that the last layer of
	// a new head reads, and each that its hidden layers give. Nothing is dropped outside of training,
	// and the tuned file knows nothing of it.
	Dropout float64

	// Norm standardises the head's input during training; nil does not. It is folded into the
	// head's weights when the model is written (see Standard.Fold).
	Norm *Standard

	cut []int // indices of the frontier values, see frontier
	// of graph, once two batch sizes are built and while the frozen region may be needed
	whole   *template
	live    *template // of liveGraph
	varies  bool      // there are no templates: every batch size is built separately
	frozen  map[int]*compile.Program
	eval    map[int]*compile.Program
	steps   map[int]*Step
	feature map[int]*compile.Program
	handed  map[int]*UnitResults

	arena *compile.Arena // of all programs, which run in turn; in the root
	most  int64          // see MostBytes; in the root

	folded *compile.Constants // see constants

	root  *Network         // the network on which At was called
	sizes map[int]*Network // by length, in the root
	grow  []growth         // of the frontier values, in the root; see lengths.go
}

// At returns the network for examples of a length. The networks of all lengths share weights, plan,
// standardisation and memory.
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

// LiveGraph returns the part of the graph from the frontier on, and the frontier values.
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
	g, err := compile.Model(n.Headed.Graph, compile.Options{
		Shapes:    n.Base.ShapesAt(batch, n.Length),
		Frozen:    func(v *ir.Value) bool { return n.Plan.Of(v.Name).State == freeze.Frozen },
		Constants: n.constants(),
	})
	if err != nil {
		return nil, err
	}
	if !n.Task.PerPosition() {
		if err := plainScores(g); err != nil {
			return nil, err
		}
	}
	n.chooseAlike(g, batch)
	return g, noChance(g)
}

// plainScores makes the scores float32 [N,C], which losses take. A convolution as classifier gives
// [N,C,1,1], and a model of float16 gives halves. The file keeps what it has.
func plainScores(g *ir.Graph) error {
	b := ir.NewBuilder(g, "scores")
	x := g.Outputs[0]
	if x.Type.DType != tensor.Float32 {
		x = b.Op("Cast", ir.Attrs{"to": tensor.Float32.String()}, x)
	}
	if s := g.Outputs[0].Type.Shape; len(s) > 2 && s.Len() == s[0]*s[1] {
		x = b.Op("Reshape", ir.Attrs{"shape": []int{s[0], s[1]}}, x)
	}
	g.Outputs[0] = x
	return b.Err()
}

// ChunkOf returns how many examples of so many input elements the frozen region processes at once:
// enough work for every kernel, but with activations that stay small compared with the weights.
func ChunkOf(elements int) int { return max(4, min(64, 8*3*224*224/max(elements, 1))) }

// chooseAlike makes convolutions before the frontier run by one algorithm at every batch size. A value
// at the frontier is then the same, to the bit, whether it was kept in a chunk or computed in a batch.
// Live values are never kept.
func (n *Network) chooseAlike(g *ir.Graph, batch int) {
	live := grad.Live(g, slices.DeleteFunc(n.thawed(g), func(v *ir.Value) bool { return v == nil }))
	elements := 0
	for _, v := range g.Inputs {
		elements += v.Type.Shape.Len() / batch
	}
	images := ChunkOf(elements)
	for _, n := range g.Nodes {
		if n.Op != "Conv" && n.Op != "ConvGradInput" { // what a ConvTranspose becomes
			continue
		}
		if !live[n.Outputs[0]] {
			n.Attrs = n.Attrs.With("chosen_for", images)
		}
	}
}

// noChance errors where a graph draws random numbers: its values would be others in every pass and
// for every place in a batch.
func noChance(g *ir.Graph) error {
	for _, n := range g.Nodes {
		if n.Op == "Random" {
			return fmt.Errorf("node %q draws random numbers: export the model in evaluation mode, or name a value before the node with option attach", n.Name)
		}
	}
	return nil
}

// build23 builds batch sizes two and three, one after the other so that the second reuses the
// first's constants.
func (n *Network) build23() (two, three *ir.Graph, err error) {
	if two, err = n.build(2); err != nil {
		return nil, nil, err
	}
	three, err = n.build(3)
	return two, three, err
}

// constants are shared by all graphs of the model, whatever their batch size and length.
func (n *Network) constants() *compile.Constants {
	root := n.rooted()
	if c := n.common(); c != nil && c.folded != nil {
		return c.folded
	}
	if root.folded == nil {
		root.folded = new(compile.Constants)
	}
	return root.folded
}

// Twin returns a network of the same split with nothing compiled.
func (n *Network) Twin() *Network {
	m := n.With(n.Plan)
	m.Norm, m.Memory = nil, 0
	m.cut, m.whole, m.live, m.varies, m.folded = n.cut, n.whole, n.live, n.varies, n.constants()
	return m
}

// IsNew reports whether a weight belongs to a fresh head or an adapter and not to the pretrained
// model.
func (n *Network) IsNew(name string) bool {
	return !slices.ContainsFunc(n.Base.Model.Params, func(p *onnx.Param) bool { return p.Name == name })
}

// thawed lists the weights that the plan trains as values of g, in the set's order. An entry is nil
// if g does not read the weight.
func (n *Network) thawed(g *ir.Graph) []*ir.Value {
	byName := map[string]*ir.Value{}
	for _, p := range g.Params() {
		byName[p.Name] = p
	}
	var out []*ir.Value
	n.Plan.Thawed(n.Set).Each(func(w *freeze.Weight, _ freeze.Entry) { out = append(out, byName[w.Name]) })
	return out
}
