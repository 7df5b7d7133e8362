package split

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Heads are the kinds of heads. Pools are the ways to reduce a map or a sequence to one vector.
var (
	Heads = []string{"linear", "mlp:N", "mlp:N,M", "keep"}
	Pools = []string{"auto", "mean", "cls", "last", "max"}
)

// HeadSpec describes the classifier that a model gets.
type HeadSpec struct {
	Kind       string // one of Heads: mlp:N,M has hidden layers of N and M units, keep is the model's own
	Activation string // between its layers, one of Activations; "" is relu
	Classes    int    // number of scores
	// values that the head reads; none: the input of the model's classifier, or else its last
	// output
	Attach []string
	End    string // name of the value that the head reads in place of these, see Shortened; "" for none
	Pool   string // one of Pools
	Mask   string // input [N,T] that is 0 at the padding of sequences; "" for none
	Seed   uint64 // of the hidden layers' initial weights

	// PerPosition gives every position of a sequence its own scores. Nothing is pooled, and a fresh
	// head maps [N,T,features] to [N*T,Classes].
	PerPosition bool
}

// Headed is a raw graph whose only output is the scores on which the loss is computed.
type Headed struct {
	Graph    *ir.Graph
	New      []*ir.Node                // nodes that the original graph lacks, in order
	Weights  []string                  // the classifier's weights
	Fresh    bool                      // the weights are new
	Linear   string                    // path of the new layer that reads the features; "" for keep
	Features int                       // width of what it reads; 0 for keep
	Notes    []string                  // what a user should know: what the head reads, and why
	Adapters *adapter.Adapters         // nil: none
	full     map[string]*tensor.Tensor // first values of weights, from a trained adapter
	bare     *Headed                   // the same without adapters, if they are to be merged
	short    *Shortened                // what was left out of the original graph
}

// named is the option that says what the head reads.
func (s *HeadSpec) named() string {
	if s.End != "" {
		return "cut"
	}
	return "attach"
}

// fresh lists the weights that the original graph lacks.
func (h *Headed) fresh() []string {
	var out []string
	if h.Fresh {
		out = append(out, h.Weights...)
	}
	if h.Adapters != nil {
		out = append(out, h.Adapters.Weights...)
	}
	return out
}

// AttachHead returns a copy of a raw graph with the specified head as its only output, without
// nodes that are no longer needed. shapes are the model's input shapes for a batch of two, from
// which it determines the width of the features. It errors if a named value does not exist, if the
// features are not a vector, map or sequence, and for keep if the model's own classifier has
// another number of classes.
func AttachHead(raw *ir.Graph, spec HeadSpec, shapes map[string]tensor.Shape) (*Headed, error) {
	g, _ := ir.Clone(raw)
	if spec.Kind == "keep" {
		return keepHead(g, FindClassifier(g), spec, shapes)
	}
	hidden, err := hiddenUnits(spec.Kind)
	if err != nil {
		return nil, err
	}
	h := &Headed{Graph: g, Fresh: true}
	attach, err := h.places(spec, shapes)
	if err != nil {
		return nil, err
	}
	types, err := TypesOf(g, attach, shapes)
	if err != nil {
		return nil, err
	}
	b := &rawBuilder{g: g, h: h, version: opset(g), module: freeModule(g)}
	for _, v := range g.Inputs {
		if v.Name == spec.Mask && spec.Mask != "" {
			b.mask, b.steps = v, shapes[v.Name][1]
		}
	}
	names := attach
	attach = slices.Clone(attach)
	for i := range attach {
		attach[i], types[i] = b.canonical(attach[i], types[i])
	}
	if spec.PerPosition {
		if err := samePositions(names, types); err != nil {
			return nil, err
		}
	}
	var pooled []*ir.Value
	for i, v := range attach {
		pool := func() (*ir.Value, int, error) { return b.pool(v, types[i], spec.Pool) }
		if spec.PerPosition {
			pool = func() (*ir.Value, int, error) { return b.positions(v, types[i]) }
		}
		p, width, err := pool()
		if err != nil {
			return nil, option.Errorf(spec.named(), "%q: %w", names[i].Name, err)
		}
		h.Features += width
		if width < fewFeatures && (len(spec.Attach) > 0 || spec.End != "") {
			h.Notes = append(h.Notes, fmt.Sprintf("%q has %d features, which tell a head little", names[i].Name, width))
		}
		pooled = append(pooled, p)
	}
	if how := spec.Pool; how != "" && how != "auto" && !b.pooled {
		h.Notes = append(h.Notes, fmt.Sprintf("option pool %s does nothing: what the head reads is not pooled", how))
	}
	x := pooled[0]
	if len(pooled) > 1 {
		x = b.node("Concat", "concat", ir.Attrs{"axis": 1}, pooled...)
	}
	x = b.layers(x, hidden, spec)
	all := slices.Clone(g.Nodes)
	old := g.Outputs
	g.Outputs = []*ir.Value{x}
	g.Prune()
	x.Name = freeName(all, old, g.Nodes, x)
	return h, nil
}

func keepHead(g *ir.Graph, own *Classifier, spec HeadSpec, shapes map[string]tensor.Shape) (*Headed, error) {
	instead := "; use option head linear"
	if spec.Classes == 0 { // the task accepts the model's own number of classes
		instead = ""
	}
	if own == nil {
		return nil, fmt.Errorf("option head keep: the model ends in features and has no classifier to keep%s", instead)
	}
	if own.Quantized {
		return nil, fmt.Errorf("option head keep: the weights of the model's classifier are quantised and cannot train%s", instead)
	}
	notes := []string{fmt.Sprintf("the head is the model's classifier %q (output %q)", own.node.Name, own.output.Name)}
	if how := spec.Pool; how != "" && how != "auto" {
		notes = append(notes, fmt.Sprintf("option pool %s does nothing: the model's own classifier reads what it always read", how))
	}
	types, err := TypesOf(g, []*ir.Value{own.Scores}, shapes)
	if err != nil {
		return nil, err
	}
	s := types[0].Shape
	if spec.PerPosition {
		if len(s) != 3 || spec.Classes != 0 && s[2] != spec.Classes {
			return nil, fmt.Errorf("option head keep: the classifier gives %v, not scores at every position of a sequence%s", s, instead)
		}
		g.Outputs = []*ir.Value{own.Scores}
		g.Prune()
		return &Headed{Graph: g, Weights: own.Weights}, nil
	}
	if len(s) < 2 || s.Len() != s[0]*s[1] {
		return nil, fmt.Errorf("option head keep: the classifier gives %v, not one score per class", s)
	}
	if spec.Classes != 0 && s[1] != spec.Classes {
		return nil, fmt.Errorf("option head keep: the model has %d classes, the data %d; use option head linear", s[1], spec.Classes)
	}
	g.Outputs = []*ir.Value{own.Scores}
	g.Prune()
	return &Headed{Graph: g, Weights: own.Weights, Notes: notes}, nil
}

// places are the values that a fresh head reads: the end of what is left of the model, else those
// that are named, else the one that is found, which is noted.
func (h *Headed) places(spec HeadSpec, shapes map[string]tensor.Shape) ([]*ir.Value, error) {
	if spec.End != "" {
		for _, n := range h.Graph.Nodes {
			if i := slices.IndexFunc(n.Outputs, func(v *ir.Value) bool { return v != nil && v.Name == spec.End }); i >= 0 {
				return n.Outputs[i : i+1], nil
			}
		}
		return nil, option.Errorf("cut", "the model has no value %q", spec.End)
	}
	f := flowOf(h.Graph)
	if len(spec.Attach) > 0 {
		return namedPlaces(h.Graph, f, spec.Attach)
	}
	found, err := choosePlaces(h.Graph, f, shapes)
	if err != nil {
		return nil, err
	}
	h.Notes = append(h.Notes, noteOf(found))
	return []*ir.Value{found[0].value}, nil
}

// TypesOf specialises a raw graph up to the given values and returns their types.
func TypesOf(raw *ir.Graph, values []*ir.Value, shapes map[string]tensor.Shape) ([]ir.Type, error) {
	g := *raw
	g.Outputs = values
	s, err := compile.Model(&g, compile.Options{Shapes: shapes, Plain: true})
	if err != nil {
		return nil, err
	}
	types := make([]ir.Type, len(values))
	for i, v := range s.Outputs {
		types[i] = v.Type
	}
	return types, nil
}

func opset(raw *ir.Graph) int {
	for _, n := range raw.Nodes {
		if n.Domain == "" || n.Domain == "ai.onnx" {
			return n.Version
		}
	}
	return 17
}

// freeName returns a name for the scores x of a new head: logits, or a variation if another value has
// that name. An old output frees its name, unless the nodes that are kept compute it.
func freeName(all []*ir.Node, old []*ir.Value, kept []*ir.Node, x *ir.Value) string {
	taken := map[string]bool{}
	for _, n := range all {
		for _, v := range n.Outputs {
			if v != nil && v != x && (!slices.Contains(old, v) || slices.Contains(kept, n)) {
				taken[v.Name] = true
			}
		}
	}
	name := "logits"
	for taken[name] {
		name += "_tuned"
	}
	return name
}

// kaiming draws weights from PyTorch's default for linear layers: uniform in +-1/sqrt(fan in).
func kaiming(n, fanIn int, seed uint64, index int) []float32 {
	r := random.For(seed, random.Init, index)
	bound := 1 / math.Sqrt(float64(fanIn))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32((2*r.Float64() - 1) * bound)
	}
	return w
}
