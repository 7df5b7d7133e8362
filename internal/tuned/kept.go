package tuned

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Names of what a fit adds, see split.AttachHead and adapter.Add. Its direct base has none of them.
// The fit after the next one may use the names of a head again.
var (
	headNode    = regexp.MustCompile(`^/head\d*/`)
	adapterNode = regexp.MustCompile(`/(lora_A|lora_B|ia3)/\w+$`)
)

// keptOf compares what the tuned file keeps of the base apart from its parameters: other tensors
// and the graph. base is what the fits made of the base's graph before they trained, see settled.
func keptOf(base, t *onnx.Model, chain []*freeze.Plan) *onnx.KeptDifference {
	made := map[string]*ir.Node{}
	for _, n := range t.Graph.Nodes {
		for _, v := range n.Outputs {
			if v != nil {
				made[v.Name] = n
			}
		}
	}
	old := map[string]bool{}
	for name := range base.Tensors() {
		old[name] = true
	}
	for _, v := range base.Graph.Inputs {
		old[v.Name] = true
	}
	for _, n := range base.Graph.Nodes {
		for _, v := range n.Outputs {
			if v != nil {
				old[v.Name] = true
			}
		}
	}
	w := &wires{made: made, old: old, trained: map[string]bool{}}
	for _, plan := range chain {
		for _, e := range plan.Params {
			if e.State == freeze.Thaw && !old[e.Name] {
				w.trained[e.Name] = true
			}
		}
	}
	heads := 0 // new ones
	for _, plan := range chain {
		if plan.Head != "keep" {
			heads++
		}
	}
	others := map[string]bool{}
	for _, p := range base.Params {
		others[p.Name] = true
	}
	for name := range base.Tensors() {
		if heads > 1 && headNode.MatchString(name) {
			others[name] = true
		}
	}
	d := base.Kept(t, onnx.Kept{
		Replaces: heads > 0,
		Others:   others,
		Anew: func(was, is, output string) bool {
			return heads > 0 && headNode.MatchString(is) && (w.head(output) || heads > 1 && headNode.MatchString(was))
		},
		Rewire: w.adapted,
		Output: func(was, is string) bool {
			n := made[is]
			if n == nil || is != t.Metadata[keyProbabilities] || n.Op != "Softmax" && n.Op != "Sigmoid" || n.Inputs[0] == nil {
				return false
			}
			scores := n.Inputs[0]
			if tempers(t, scores.Node) {
				scores = scores.Node.Inputs[0]
			}
			return scores.Name == was
		},
	})
	for _, n := range t.Graph.Nodes {
		for _, v := range n.Outputs {
			if v != nil && !old[v.Name] && !headNode.MatchString(n.Name) && !adapterNode.MatchString(n.Name) && v.Name != t.Metadata[keyProbabilities] && !tempers(t, n) {
				d.Graph = append(d.Graph, fmt.Sprintf("node %q (%s) is neither the base's nor one that a fit adds", n.Name, n.Op))
				break
			}
		}
	}
	return d
}

// wires follows the wiring of a tuned file's new nodes.
type wires struct {
	made    map[string]*ir.Node // by what they compute, in the tuned file
	old     map[string]bool     // values of the base
	trained map[string]bool     // weights that the fits added
}

// head reports whether a value comes from a layer whose weights are all new.
func (w *wires) head(output string) bool {
	n := w.made[output]
	return n != nil && n.Op == "Gemm" && len(n.Inputs) == 3 && w.trained[n.Inputs[1].Name] && w.trained[n.Inputs[2].Name]
}

// adapted reports whether is is the value was with adapters.
func (w *wires) adapted(was, is string) bool {
	for steps := 0; is != was; steps++ {
		n := w.made[is]
		if n == nil || w.old[is] || steps > len(w.made) || len(n.Inputs) != 2 || n.Op != "Add" && n.Op != "Mul" || !w.adapter(n) {
			return false
		}
		is = n.Inputs[0].Name
	}
	return true
}

// adapter reports whether a node ends an adapter: what it adds or multiplies with is computed by an
// adapter's nodes and contains one of its weights.
func (w *wires) adapter(n *ir.Node) bool {
	if !adapterNode.MatchString(n.Name) {
		return false
	}
	weight := false
	seen := map[*ir.Value]bool{}
	for stack := []*ir.Value{n.Inputs[1]}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch {
		case v == nil || seen[v] || w.old[v.Name]:
			continue
		case v.Node == nil:
			weight = weight || w.trained[v.Name]
		case adapterNode.MatchString(v.Node.Name):
			stack = append(stack, v.Node.Inputs...)
		default:
			return false
		}
		seen[v] = true
	}
	return weight
}

// settled is the base as the fits take it: in evaluation mode, with a free batch axis, and without
// the blocks that they left out. r is the tuned file's record, nil where it has none. A base that a
// fit cannot take stays as it is.
func settled(base *onnx.Model, r *Record, chain []*freeze.Plan) *onnx.Model {
	m, err := onnx.Open(base.Path) // settling changes its graph
	if err != nil {
		return base
	}
	o := feed.Options{Kind: feed.KindPicture}
	if r != nil {
		o.Kind = cmp.Or(r.Input, o.Kind)
		if r.Sides != "" {
			if m.Metadata == nil {
				m.Metadata = map[string]string{}
			}
			m.Metadata[sideinput.Key] = r.Sides
		}
	}
	p, err := split.Settled(m, o)
	if err != nil {
		return base
	}
	to, err := base.Patched(p)
	if err != nil {
		return base
	}
	for _, plan := range chain {
		if to, err = without(to, plan.Skip); err != nil {
			return base
		}
	}
	return to
}

// without is a model from which blocks are left out.
func without(m *onnx.Model, blocks []freeze.Bypass) (*onnx.Model, error) {
	if len(blocks) == 0 {
		return m, nil
	}
	p := &onnx.Patch{}
	for _, b := range blocks {
		for _, n := range m.Graph.Nodes {
			for k, v := range n.Inputs {
				if v != nil && v.Name == b.Value && n.Outputs[0] != nil {
					p.Rewire = append(p.Rewire, onnx.Rewire{Node: n.Outputs[0].Name, Index: k, Value: b.Instead})
				}
			}
		}
	}
	m.Trim(p)
	return m.Patched(p)
}
