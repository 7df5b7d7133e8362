// Package adapter adds small trained parts to a network whose own weights stay frozen: LoRA and
// IA3.
//
// Comes in: a raw graph, its weights, and which adapters to add. Goes out: the same graph with new
// nodes of the default ONNX domain and new weights, which at first change nothing, so training
// starts from the pretrained function; and later the model's weights with the adapters merged. It
// must not know how the graph is run or trained: whoever reads it afterwards sees a network with
// some more layers.
package adapter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Spec says which adapters a network gets.
type Spec struct {
	Parts   []Part   // see Parse
	Alpha   float64  // LoRA: the product is scaled by Alpha/Rank; 0 stands for Rank
	Targets []string // selectors of the layers' weights; none: see Add
	Folder  string   // of a trained adapter of peft, which the caller reads into Given; "" for none
	Given   []Given  // trained pairs: where there are any, they are all that is added

	// Draw gives n numbers from the initial distribution of a weight with so many inputs. Index
	// tells weights apart.
	Draw func(n, inputs, index int) []float32

	// Outputs are values that files declare as outputs, so they keep their names. Layers that give
	// them get no adapter.
	Outputs []string
}

// ErrNone is the error for a network without a layer that can have an adapter.
var ErrNone = errors.New("no layer can have one")

// Adapters are what Add put into a graph.
type Adapters struct {
	Weights []string          // names of the new weights, in order
	Nodes   []*ir.Node        // new nodes
	Layers  int               // layers that have one
	Of      []string          // names of those layers' own weights, in order
	Skipped []string          // targets without an adapter, each with the reason
	Instead map[string]string // name of a value -> name of the value that is read in its place

	made []made
}

// made is one adapter.
type made interface {
	// merge returns the new contents of the weights that the adapter changes.
	merge() (map[string]*tensor.Tensor, error)
}

// Add adds adapters to a raw graph, in place. Set describes its weights. The error is ErrNone where
// no layer gets an adapter.
//
// LoRA (Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021) makes a linear layer
// with weight W [in,out] compute
//
//	y = x W + (alpha/r) x A B
//
// with A [in,r] drawn at random and B [r,out] zero. A convolution [out,in,k,k] gets a convolution
// of the same form to r channels, followed by one of size 1 to its own output channels; in groups,
// r channels for each group. Layers that read one weight share A and B. A pair that is no smaller
// than the weight, as for a depthwise convolution, is pointless and left out.
//
// IA3 (Liu et al., Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context
// Learning, 2022) multiplies features by scales that start at 1. It scales the outputs of the
// layers that compute keys and values, bias included. A layer that computes queries too is scaled
// as a whole, since scaling queries is the same as scaling keys. It also scales the input of the
// second layer of a feed-forward part, the hidden activation. In networks without attention, it
// scales the output channels of each convolution, with the bias but before the normalisation.
//
// Without targets, LoRA goes to all linear layers outside the head (not to embeddings), and in
// networks without attention also to all convolutions. IA3 goes to the values above, or to all
// linear layers where there are none. With targets, LoRA goes to the layers that they name, and IA3
// scales their outputs. A part with selectors of its own goes to the layers that they name, of those
// that the targets name where there are any; the part without goes to all that no other part names.
func Add(g *ir.Graph, set *freeze.Set, spec Spec) (*Adapters, error) {
	b := newBuilder(g, spec)
	a := &Adapters{Instead: map[string]string{}}
	b.to = a
	if len(spec.Given) > 0 {
		return a, b.given(set)
	}
	places, err := b.places(set)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		l, reason := p.layer, ""
		switch p.part.Kind {
		case LoRA:
			reason = b.lora(l, p.part.Rank)
		case IA3:
			reason = b.ia3(l)
		}
		if reason != "" {
			a.Skipped = append(a.Skipped, fmt.Sprintf("%s: %s", l.weight.Name, reason))
			continue
		}
		a.Layers++
		a.Of = append(a.Of, l.weight.Name)
	}
	if a.Layers == 0 {
		if len(a.Skipped) > 0 {
			return nil, option.Errorf("adapter", "%w; %s", ErrNone, a.Skipped[0])
		}
		return nil, option.Errorf("adapter", "%w: the model has no linear layer or convolution of the usual form", ErrNone)
	}
	return a, g.Sort()
}

// Merge gives the model's weights with the adapters merged, by name. The network with these and
// without adapters computes the same, up to rounding. It errors where a weight is also used
// elsewhere, or is not floating point.
func (a *Adapters) Merge() (map[string]*tensor.Tensor, error) {
	out := map[string]*tensor.Tensor{}
	for _, p := range a.made {
		changed, err := p.merge()
		if err != nil {
			return nil, option.Errorf("adapter_merge", "%w", err)
		}
		for name, t := range changed {
			if out[name] != nil {
				return nil, option.Errorf("adapter_merge", "two adapters change %q", name)
			}
			out[name] = t
		}
	}
	return out, nil
}

// builder adds nodes to a graph.
type builder struct {
	g        *ir.Graph
	spec     Spec
	to       *Adapters
	version  int // of the default domain
	users    map[*ir.Value][]*ir.Node
	taken    map[string]bool // names of values and nodes
	captured map[*ir.Value]bool
	drawn    int
}

func newBuilder(g *ir.Graph, spec Spec) *builder {
	b := &builder{g: g, spec: spec, version: 17, users: g.Users(), taken: map[string]bool{}, captured: map[*ir.Value]bool{}}
	for i, n := range slices.Backward(g.Nodes) {
		b.taken[n.Name] = true
		for _, v := range slices.Concat(n.Inputs, n.Outputs) {
			if v != nil {
				b.taken[v.Name] = true
			}
		}
		for _, s := range n.Attrs.Graphs() {
			for _, v := range s.Captures() {
				b.captured[v] = true
			}
		}
		if g.Nodes[i].Domain == "" || g.Nodes[i].Domain == "ai.onnx" {
			b.version = n.Version
		}
	}
	return b
}

// free is the name, with a number appended where the graph has it already.
func (b *builder) free(name string) string {
	out := name
	for k := 2; b.taken[out]; k++ {
		out = fmt.Sprintf("%s_%d", name, k)
	}
	b.taken[out] = true
	return out
}

func (b *builder) node(name, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
	n := &ir.Node{Name: b.free(name), Op: op, Version: b.version, Inputs: in, Attrs: attrs}
	b.g.AddNode(n, []ir.Type{{}}, b.free(n.Name+"_output_0"))
	b.to.Nodes = append(b.to.Nodes, n)
	return n.Outputs[0]
}

// param makes a weight, and the value that nodes read. Half-precision weights are trained as
// float32.
func (b *builder) param(name string, t *tensor.Tensor) *ir.Value {
	p := b.g.NewParam(b.free(name), t)
	b.to.Weights = append(b.to.Weights, p.Name)
	return p
}

// as is p in the dtype in which a layer computes.
func (b *builder) as(p *ir.Value, dt tensor.DType, place string) *ir.Value {
	if p.Type.DType == dt {
		return p
	}
	return b.node(place+"/Cast", "Cast", ir.Attrs{"to": onnx.Code(dt)}, p)
}

// instead makes all nodes except the given ones read z in place of y.
func (b *builder) instead(y, z *ir.Value, but ...*ir.Node) {
	for _, n := range b.g.Nodes {
		if slices.Contains(but, n) {
			continue
		}
		for i, v := range n.Inputs {
			if v == y {
				n.Inputs[i] = z
			}
		}
	}
	for i, v := range b.g.Outputs {
		if v == y {
			b.g.Outputs[i] = z
		}
	}
	b.to.Instead[y.Name] = z.Name
}

// movable says why the output of a layer cannot be replaced. It is "" where it can.
func (b *builder) movable(y *ir.Value) string {
	switch {
	case b.captured[y]:
		return fmt.Sprintf("the body of a loop or condition reads what it gives, %q", y.Name)
	case slices.Contains(b.spec.Outputs, y.Name):
		return fmt.Sprintf("what it gives, %q, is an output of the model", y.Name)
	}
	return ""
}
