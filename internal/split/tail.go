package split

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// tail is what stands between an output of a model and the last layers with weights: softmax,
// sigmoid, argmax, casts, reshapes, scaling, the decoding of boxes.
type tail struct {
	output *ir.Value
	ends   []*ir.Node            // the last layers and normalisations before the output
	nodes  []*ir.Node            // between them and the output
	next   map[*ir.Node]*ir.Node // towards the output

	scored     bool // turns scores into probabilities or classes
	pools      bool // averages positions away
	normalises bool // divides by a length or deviation, as at the end of a trunk
	residual   bool // adds two computed values, likewise
	activated  bool // has a function that is not linear, as stands between layers
	joins      bool // puts values side by side that were reshaped, as detectors do with their maps
}

func tailOf(f *flow, users map[*ir.Value][]*ir.Node, output *ir.Value) *tail {
	t := &tail{output: output, next: map[*ir.Node]*ir.Node{}}
	seen := map[*ir.Node]bool{}
	queue := []*ir.Value{output}
	from := map[*ir.Value]*ir.Node{}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		n := v.Node
		if n == nil || seen[n] || !f.example[v] {
			continue
		}
		seen[n] = true
		if after := from[v]; after != nil {
			t.next[n] = after
		}
		if isWeighted(n) && !n.RawTraits().Elementwise {
			t.ends = append(t.ends, n)
			continue
		}
		t.nodes = append(t.nodes, n)
		t.note(f, users, n)
		for _, in := range reads(n) {
			if from[in] == nil {
				from[in] = n
			}
			queue = append(queue, in)
		}
	}
	exponential := slices.ContainsFunc(t.nodes, func(n *ir.Node) bool { return n.Op == "Exp" })
	sums := slices.ContainsFunc(t.nodes, func(n *ir.Node) bool { return n.Op == "ReduceSum" || n.Op == "ReduceLogSumExp" })
	t.scored = t.scored || exponential && sums // a softmax that is written out
	return t
}

// note records what a node of the tail says about it.
func (t *tail) note(f *flow, users map[*ir.Value][]*ir.Node, n *ir.Node) {
	traits := n.RawTraits()
	switch n.Op {
	case "ArgMax", "ArgMin", "TopK", "NonMaxSuppression", "Hardmax":
		t.scored = true
	case "Sqrt", "LpNormalization", "ReduceL2", "MeanVarianceNormalization":
		t.normalises = true
	case "Pow":
		if p := n.In(1); p.IsConst() && p.Data.Len() == 1 && math.Abs(p.Data.Float64(0)) == 0.5 {
			t.normalises = true
		}
	case "Add", "Sum":
		t.residual = t.residual || computed(f, n) > 1
	case "Mul":
		t.activated = t.activated || computed(f, n) > 1 // x times a function of x, or a gate
	case "Erf":
		t.activated = true
	case "Concat":
		t.joins = t.joins || slices.ContainsFunc(n.Inputs, func(v *ir.Value) bool {
			return v != nil && v.Node != nil && v.Node.RawTraits().HandsOn && !v.Node.RawTraits().Elementwise
		})
	}
	switch {
	case traits.Probabilities:
		gate := len(users[n.Outputs[0]]) > 0 && !slices.ContainsFunc(users[n.Outputs[0]], func(u *ir.Node) bool { return u.Op != "Mul" })
		t.scored = t.scored || !gate || n.Outputs[0] == t.output
	case traits.Activation:
		t.activated = true
	case traits.Pools:
		t.pools = true
	}
}

// computed counts the inputs of a node that depend on the example.
func computed(f *flow, n *ir.Node) int {
	k := 0
	for _, v := range n.Inputs {
		if v != nil && f.example[v] {
			k++
		}
	}
	return k
}
