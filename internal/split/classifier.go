package split

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Classifier is the last layer of a model, which maps features to class scores.
type Classifier struct {
	Features *ir.Value // its input
	Scores   *ir.Value // its output, before any softmax; pooled if the model pools scores
	Weights  []string  // names of its weights

	Quantized bool // its weights are integers: it can be replaced, not trained

	node          *ir.Node
	output        *ir.Value // of the model, that the scores lead to
	width, scores int       // numbers of features and scores, 0 for unknown
	depth         int       // see flow
}

// FindClassifier looks for the classifier of a raw graph: from the outputs backwards, through what
// has no weights (softmax, argmax, casts, reshapes, pooling, scaling), to a matrix product with a
// weight. It returns nil for a model that ends in features, in a map of scores, or in several
// layers side by side. Names say nothing.
//
// Of several it takes the main one: see mainFirst.
func FindClassifier(raw *ir.Graph) *Classifier {
	found := classifiers(raw, flowOf(raw))
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

// classifiers lists those of all outputs, the main one first.
func classifiers(raw *ir.Graph, f *flow) []*Classifier {
	users := raw.Users()
	var found []*Classifier
	for _, o := range raw.Outputs {
		c := classifierBefore(f, tailOf(f, users, o))
		if c != nil && !slices.ContainsFunc(found, func(d *Classifier) bool { return d.node == c.node }) {
			found = append(found, c)
		}
	}
	at := map[*ir.Node]int{}
	for i, n := range raw.Nodes {
		at[n] = i
	}
	slices.SortFunc(found, func(a, b *Classifier) int { return cmp.Compare(at[a.node], at[b.node]) })
	mainFirst(found)
	return found
}

// fewFeatures is the number below which a head learns little from what it reads.
const fewFeatures = 8

// mainFirst sorts classifiers. One that reads fewer than fewFeatures comes behind others, then one
// that branches off in the first 70% of the network, as auxiliary ones do; then counts who reads
// more features, gives more scores, and comes later.
func mainFirst(found []*Classifier) {
	deepest := 0
	for _, c := range found {
		deepest = max(deepest, c.depth)
	}
	rank := func(c *Classifier) int {
		switch {
		case c.width > 0 && c.width < fewFeatures:
			return 2
		case 10*c.depth < 7*deepest:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(found, func(a, b *Classifier) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.width, a.width), cmp.Compare(b.scores, a.scores), cmp.Compare(b.depth, a.depth))
	})
}

// imageNet and CIFAR have these numbers of classes. They tell a convolution that scores every place
// of a map from the last convolution of a trunk, where nothing but pooling follows.
var usualClasses = []int{10, 100, 1000, 1001, 21841, 21843}

// classifierBefore is the classifier that a tail begins with, nil where it begins with something
// else.
func classifierBefore(f *flow, t *tail) *Classifier {
	if len(t.ends) != 1 || t.normalises || t.residual {
		return nil
	}
	n := t.ends[0]
	scores := outputs(n)
	if t.activated && !t.scored && scores >= fewFeatures {
		return nil // the hidden layer of a trunk
	}
	switch {
	case n.RawTraits().Linear:
		if weightBehind(n.In(1)) == nil && !quantized(n.In(1)) {
			return nil
		}
	case n.Op == "Conv":
		w := weightBehind(n.In(1))
		if w == nil && !quantized(n.In(1)) || w != nil && !pointwise(w) {
			return nil
		}
		if !pooled(n.In(0), 8) && !(t.pools && (t.scored || slices.Contains(usualClasses, scores))) {
			return nil
		}
	default:
		return nil
	}
	c := &Classifier{Features: n.In(0), node: n, output: t.output, scores: scores, depth: f.depth[n.Outputs[0]]}
	w := weightBehind(n.In(1))
	if w != nil {
		c.Weights = append(c.Weights, w.Name)
		if len(w.Type.Shape) >= 2 && scores > 0 {
			c.width = w.Type.Shape.Len() / scores
		}
	} else {
		c.Quantized = true
	}
	if b := weightBehind(n.In(2)); b != nil {
		c.Weights = append(c.Weights, b.Name)
	}
	c.follow(t)
	return c
}

// follow goes from the layer towards the output: over a bias that is written out, and over the
// pooling of scores, after which it takes what only reshapes.
func (c *Classifier) follow(t *tail) {
	c.Scores = c.node.Outputs[0]
	biased, pools := false, false
	for n := t.next[c.node]; n != nil; n = t.next[n] {
		traits := n.RawTraits()
		switch b := addedWeight(n); {
		case b != nil && !biased && !pools:
			biased = true
			c.Weights = append(c.Weights, b.Name)
			c.Scores = n.Outputs[0]
		case traits.Pools:
			pools = true
		case traits.Probabilities, !traits.HandsOn && !traits.Activation:
			return
		}
		if pools {
			c.Scores = n.Outputs[0]
		}
	}
}

// addedWeight is the weight that a node adds or takes away, nil for another node.
func addedWeight(n *ir.Node) *ir.Value {
	if n.Op != "Add" && n.Op != "Sub" {
		return nil
	}
	for _, in := range n.Inputs {
		if w := weightBehind(in); w != nil {
			return w
		}
	}
	return nil
}

// weightBehind follows v through nodes that only pass a weight on.
func weightBehind(v *ir.Value) *ir.Value {
	for range 8 {
		if v == nil || v.Kind == ir.Param {
			return v
		}
		if v.Node == nil {
			return nil
		}
		if !v.Node.RawTraits().HandsOn {
			return nil
		}
		v = v.Node.In(0)
	}
	return nil
}

// quantized reports whether v is an integer constant converted to floating point.
func quantized(v *ir.Value) bool {
	for v != nil && v.Node != nil {
		if v.Node.Op == "DequantizeLinear" {
			return v.Node.In(0).IsConst()
		}
		if !v.Node.RawTraits().HandsOn {
			return false
		}
		v = v.Node.In(0)
	}
	return false
}

func pointwise(w *ir.Value) bool {
	for _, d := range w.Type.Shape[min(2, len(w.Type.Shape)):] {
		if d != 1 {
			return false
		}
	}
	return true
}

// pooled reports whether v comes from a global pooling, possibly through activations and
// convolutions of the pooled vector.
func pooled(v *ir.Value, depth int) bool {
	if v == nil || v.Node == nil || depth == 0 {
		return false
	}
	switch t := v.Node.RawTraits(); {
	case t.Pools:
		return true
	case v.Node.Op == "Mul": // a gate on a map is pooled, the map is not
		return !slices.ContainsFunc(v.Node.Inputs, func(in *ir.Value) bool { return in.Kind == ir.Result && !pooled(in, depth-1) })
	case t.Activation, t.HandsOn, v.Node.Op == "Conv":
		return pooled(v.Node.In(0), depth-1)
	}
	return false
}
