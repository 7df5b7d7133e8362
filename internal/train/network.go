package train

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/exec"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Network is a model split by a plan into a frozen region, which is inference, and a live region, which
// trains. It compiles each for the batch sizes that are asked for. Programs read the weights in place:
// changing a thawed weight's contents changes what the next run computes.
type Network struct {
	Headed *Headed
	Set    *freeze.Set
	Plan   *freeze.Plan
	Loss   LossSpec
	Shapes func(batch int) map[string]tensor.Shape // of the model's inputs

	// Memory bounds the buffers of a training step in bytes, 0 for no bound; Recomputed says what it took.
	Memory     int
	Recomputed exec.Recomputed

	// Norm standardises what the head reads during training, nil for as it is. It is folded into the
	// head's weights when the model is written (see Standard.Fold).
	Norm *Standard

	cut     []int     // positions of the frontier values, see frontier
	whole   *template // of graph, once both batch sizes were built and while the frozen region may be needed
	live    *template // of liveGraph
	varies  bool      // there are no templates: every batch size is built by itself
	frozen  map[int]*exec.Program
	eval    map[int]*exec.Program
	train   map[int]*Step
	feature map[int]*exec.Program
}

// LossSpec is what training minimises.
type LossSpec struct {
	LabelSmoothing float32
	ClassWeights   []float32 // by class; nil weighs all the same
}

// Step is the compiled live region for one batch size: a forward pass, the loss and the gradients of
// the thawed weights.
type Step struct {
	program *exec.Program
	drops   bool             // takes a dropout seed behind the labels
	Grads   []*tensor.Tensor // by thawed weight in order; views of the program's memory
	stats   []batchStat
}

// batchStat is a batch normalisation that trains: its running statistics and where the batch's are.
type batchStat struct {
	mean, variance *tensor.Tensor // running, in place
	batchMean      *tensor.Tensor
	batchVar       *tensor.Tensor
	count          int     // elements per channel
	momentum       float32 // share of the old value that is kept
}

// graph is a specialised copy of the model in which frozen weights are constants.
func (n *Network) graph(batch int) (*ir.Graph, error) {
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

// liveGraph is the part of graph from the frontier on, and the values that it starts from.
func (n *Network) liveGraph(batch int) (*ir.Graph, []*ir.Value, error) {
	if err := n.prepare(); err != nil {
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

// prepare finds the frontier and makes the templates, once.
func (n *Network) prepare() error {
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
	if n.cut, err = n.chooseCut(two, three); err != nil {
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
	g, err := exec.Specialise(n.Headed.Graph, n.Shapes(batch))
	if err != nil {
		return nil, err
	}
	exec.Freeze(g, func(v *ir.Value) bool {
		s := n.Plan.Of(v.Name).State
		return s == freeze.Frozen
	})
	if err := exec.Simplify(g); err != nil {
		return nil, err
	}
	g.Prune()
	return g, nil
}

func (n *Network) build23() (two, three *ir.Graph, err error) {
	if two, err = n.build(2); err == nil {
		three, err = n.build(3)
	}
	return two, three, err
}

// twin is a network of the same split that has compiled nothing.
func (n *Network) twin() *Network {
	return &Network{Headed: n.Headed, Set: n.Set, Plan: n.Plan, Loss: n.Loss, Shapes: n.Shapes, cut: n.cut, whole: n.whole, live: n.live, varies: n.varies}
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

// frontier finds the values at which the frozen region hands over to the live one. They are named by
// their position in the graph, which is the same for every batch size.
//
// Every one has the examples on its first axis, so that it can be kept per example: where the plain
// frontier holds something else (a sequence-first tensor inside an attention layer), the values it is
// computed from are taken instead, and the little between them is computed with the live region.
func (n *Network) frontier(g *ir.Graph) ([]*ir.Value, error) {
	if err := n.prepare(); err != nil {
		return nil, err
	}
	all := values(g)
	out := make([]*ir.Value, len(n.cut))
	for i, k := range n.cut {
		if k >= len(all) {
			return nil, fmt.Errorf("train: the graph of this batch size has another structure")
		}
		out[i] = all[k]
	}
	return out, nil
}

func (n *Network) chooseCut(small, large *ir.Graph) ([]int, error) {
	a, b := values(small), values(large)
	if len(a) != len(b) {
		return nil, fmt.Errorf("train: the graph changes its structure with the batch size")
	}
	position := map[*ir.Value]int{}
	for i, v := range a {
		position[v] = i
	}
	perExample := func(i int) bool {
		s, l := a[i].Type.Shape, b[i].Type.Shape
		return len(s) > 0 && len(l) == len(s) && s[0]%2 == 0 && s[0] > 0 && s[0]/2*3 == l[0] && s[1:].Equal(l[1:])
	}
	var roots []*ir.Value
	for _, v := range n.thawed(small) {
		if v != nil {
			roots = append(roots, v)
		}
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("train: the output depends on none of the thawed weights")
	}
	live := grad.Live(small, roots)
	taken := map[int]bool{}
	var cut []int
	var take func(v *ir.Value)
	take = func(v *ir.Value) {
		if v == nil || live[v] || v.Kind == ir.Param || v.Kind == ir.Const {
			return
		}
		i := position[v]
		if taken[i] {
			return
		}
		if v.Node == nil || perExample(i) {
			taken[i] = true
			cut = append(cut, i)
			return
		}
		for _, in := range v.Node.Inputs {
			take(in)
		}
	}
	for _, v := range grad.Frontier(small, roots) {
		take(v)
	}
	return cut, nil
}

// values lists inputs and results in order of definition.
func values(g *ir.Graph) []*ir.Value {
	out := append([]*ir.Value(nil), g.Inputs...)
	for _, n := range g.Nodes {
		out = append(out, n.Outputs...)
	}
	return out
}

// FrontierTypes are the types of what the frozen region hands over for a batch.
func (n *Network) FrontierTypes(batch int) ([]ir.Type, []string, error) {
	g, err := n.graph(batch)
	if err != nil {
		return nil, nil, err
	}
	cut, err := n.frontier(g)
	if err != nil {
		return nil, nil, err
	}
	var types []ir.Type
	var names []string
	for _, v := range cut {
		types = append(types, v.Type)
		names = append(names, v.Name)
	}
	return types, names, nil
}

// program compiles a part of the model for one batch size, once.
func (n *Network) program(cache *map[int]*exec.Program, batch int, part func() (*ir.Graph, error)) (*exec.Program, error) {
	if p := (*cache)[batch]; p != nil {
		return p, nil
	}
	g, err := part()
	if err != nil {
		return nil, err
	}
	p, err := exec.Compile(g)
	if err != nil {
		return nil, err
	}
	if *cache == nil {
		*cache = map[int]*exec.Program{}
	}
	(*cache)[batch] = p
	return p, nil
}

// Frozen is the frozen region: from the model's inputs to the frontier.
func (n *Network) Frozen(batch int) (*exec.Program, error) {
	return n.program(&n.frozen, batch, func() (*ir.Graph, error) {
		g, err := n.graph(batch)
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
func (n *Network) Eval(batch int) (*exec.Program, error) {
	return n.program(&n.eval, batch, func() (*ir.Graph, error) {
		g, cut, err := n.liveGraph(batch)
		if err != nil {
			return nil, err
		}
		if err := n.standardise(g); err != nil {
			return nil, err
		}
		sub, _ := ir.Extract(g, "eval", cut, g.Outputs)
		return sub, nil
	})
}

// Features is the live region up to what a fresh head reads, not standardised.
func (n *Network) Features(batch int) (*exec.Program, error) {
	return n.program(&n.feature, batch, func() (*ir.Graph, error) {
		g, cut, err := n.liveGraph(batch)
		if err != nil {
			return nil, err
		}
		node := n.headNode(g)
		if node == nil {
			return nil, fmt.Errorf("train: the model has no fresh head")
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

// Train is the live region as training, from the frontier and the labels to the loss and gradients.
func (n *Network) Train(batch int) (*Step, error) {
	if s := n.train[batch]; s != nil {
		return s, nil
	}
	g, cut, err := n.liveGraph(batch)
	if err != nil {
		return nil, err
	}
	if err := n.standardise(g); err != nil {
		return nil, err
	}
	norms, err := trainBatchNorms(g, n.Plan)
	if err != nil {
		return nil, err
	}
	exec.FuseTrainNorms(g)
	scores := g.Outputs[0]
	labels := g.AddInput("labels", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{batch}})
	b := ir.NewBuilder(g, "loss")
	inputs := []*ir.Value{scores, labels}
	if n.Loss.ClassWeights != nil {
		inputs = append(inputs, b.Const(tensor.Of(n.Loss.ClassWeights)))
	}
	loss := b.Op("SoftmaxCrossEntropy", ir.Attrs{"label_smoothing": n.Loss.LabelSmoothing}, inputs...)
	if err := b.Err(); err != nil {
		return nil, err
	}
	wrt := n.thawed(g)
	var used []*ir.Value
	for _, v := range wrt {
		if v != nil {
			used = append(used, v)
		}
	}
	seed := switchOnDropout(g, used)
	grads, err := grad.Differentiate(g, loss, used)
	if err != nil {
		return nil, err
	}
	outputs := []*ir.Value{loss, scores}
	at := map[*ir.Value]int{}
	for i, v := range used {
		if grads[i] != nil {
			at[v] = len(outputs)
			outputs = append(outputs, grads[i])
		}
	}
	first := len(outputs)
	for _, bn := range norms {
		outputs = append(outputs, bn.node.Outputs[1], bn.node.Outputs[2])
	}
	given := append(append([]*ir.Value(nil), cut...), labels)
	if seed != nil {
		given = append(given, seed)
	}
	sub, _ := ir.Extract(g, "train", given, outputs)
	p, recomputed, err := exec.CompileWithin(sub, n.Memory)
	if err != nil {
		return nil, err
	}
	n.Recomputed = recomputed
	s := &Step{program: p, drops: seed != nil}
	for _, v := range wrt {
		var t *tensor.Tensor
		if k, ok := at[v]; ok && v != nil {
			t = p.OutputTensor(k)
		}
		s.Grads = append(s.Grads, t)
	}
	for i, bn := range norms {
		s.stats = append(s.stats, batchStat{
			mean: bn.mean.Data, variance: bn.variance.Data, momentum: bn.momentum, count: bn.count,
			batchMean: p.OutputTensor(first + 2*i), batchVar: p.OutputTensor(first + 2*i + 1),
		})
	}
	if n.train == nil {
		n.train = map[int]*Step{}
	}
	n.train[batch] = s
	return s, nil
}

// ReleaseFrozen drops the programs of the frozen region and what they are made from, whose packed weights and activations are
// not needed while its values come from a store. A later use compiles them again.
func (n *Network) ReleaseFrozen() { n.frozen, n.whole = nil, nil }

// ReleaseFeatures drops the programs of Features.
func (n *Network) ReleaseFeatures() { n.feature = nil }

// trainNorm is a batch normalisation turned to batch statistics.
type trainNorm struct {
	node           *ir.Node
	mean, variance *ir.Value // running
	momentum       float32
	count          int
}

// trainBatchNorms makes every batch normalisation whose running statistics follow the data (state
// tracking) use the batch's statistics.
func trainBatchNorms(g *ir.Graph, plan *freeze.Plan) ([]trainNorm, error) {
	var out []trainNorm
	for i, m := range g.Nodes {
		if m.Op != "BatchNormalization" {
			continue
		}
		mean, variance := m.In(3), m.In(4)
		if mean == nil || mean.Kind != ir.Param || plan.Of(mean.Name).State != freeze.Tracking {
			continue
		}
		attrs := ir.Attrs{"epsilon": m.Attrs.Float("epsilon", 1e-5)}
		if l := m.Attrs.Str("layout", ""); l != "" {
			attrs["layout"] = l
		}
		t := &ir.Node{Name: g.Unique(m.Name + "/train"), Op: "BatchNormTrain", Inputs: m.Inputs[:3:3], Attrs: attrs}
		types, err := ir.Lookup(t.Op).Infer(t)
		if err != nil {
			return nil, t.Errorf("%w", err)
		}
		g.AddNode(t, types)
		g.Nodes = g.Nodes[:len(g.Nodes)-1]
		g.Nodes[i] = t
		g.Replace(m.Outputs[0], t.Outputs[0])
		x := m.Inputs[0].Type.Shape
		out = append(out, trainNorm{node: t, mean: mean, variance: variance,
			momentum: m.Attrs.Float("momentum", 0.9), count: x.Len() / mean.Type.Shape.Len()})
	}
	return out, nil
}

// run computes the loss, the scores and the gradients of a batch at the frontier, int64 labels [n] and
// the seed of what dropout drops. Results are valid until the next run.
func (s *Step) run(ctx context.Context, values []*tensor.Tensor, labels *tensor.Tensor, seed int64) (loss float32, scores *tensor.Tensor, err error) {
	out, err := s.program.Run(ctx, s.inputs(values, labels, seed)...)
	if err != nil {
		return 0, nil, err
	}
	return out[0].F32()[0], out[1], nil
}

func (s *Step) inputs(values []*tensor.Tensor, labels *tensor.Tensor, seed int64) []*tensor.Tensor {
	in := append(append([]*tensor.Tensor(nil), values...), labels)
	if s.drops {
		in = append(in, tensor.Scalar(seed))
	}
	return in
}

// update moves the running statistics of batch normalisations that train.
func (s *Step) update() {
	for _, b := range s.stats {
		track(b.mean.F32(), b.batchMean.F32(), b.momentum, 1)
		unbias := float32(1)
		if b.count > 1 {
			unbias = float32(b.count) / float32(b.count-1)
		}
		track(b.variance.F32(), b.batchVar.F32(), b.momentum, unbias)
	}
}

// track moves a running statistic towards a batch's: r = m r + (1-m) scale x, as PyTorch does with the
// unbiased variance.
func track(running, batch []float32, momentum, scale float32) {
	for i, x := range batch {
		running[i] = momentum*running[i] + (1-momentum)*scale*x
	}
}
