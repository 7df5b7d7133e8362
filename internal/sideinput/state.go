package sideinput

import (
	"regexp"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// stateName matches the names that exporters give to what a model keeps from step to step.
var stateName = regexp.MustCompile(`(?i)(^|[._/:-])(past|caches?|mems?|memory|states?|hidden|cell|initial|init|prev|carry|[hc][0-9n]?)([._/:-]|[0-9nN]*$)`)

// isState reports whether an input's name says that it is a state or a cache of an earlier step.
func isState(name string) bool {
	lower := strings.ToLower(name)
	if strings.Contains(lower, "hidden_states") && !strings.Contains(lower, "past") { // what the layer before gives
		return false
	}
	return stateName.MatchString(name)
}

// isCache reports whether a name says that an input grows by a step at a time.
func isCache(name string) bool {
	lower := strings.ToLower(name)
	return strings.Contains(lower, "past") || strings.Contains(lower, "cache") || strings.Contains(lower, "mem")
}

// batchAxes tells which axis of a fixed input counts examples.
type batchAxes struct {
	symbol string // of the first axis of the input that examples feed, "" for none
	fixed  bool   // that axis is 1
}

func symbolOf(v *ir.Value) string {
	if len(v.Dims) > 0 && len(v.Type.Shape) > 0 && v.Type.Shape[0] < 0 {
		return v.Dims[0]
	}
	return ""
}

// of is the axis of v that counts examples, or -1. Start is the axis of examples where v is the
// initial state of a recurrent layer, else -1.
func (b batchAxes) of(v *ir.Value, start int) int {
	shape := v.Type.Shape
	open := func(i int) bool { return shape[i] < 0 }
	if b.symbol != "" && len(v.Dims) == len(shape) {
		for i, d := range v.Dims {
			if open(i) && d == b.symbol {
				return i
			}
		}
	}
	if start >= 0 && start < len(shape) && (open(start) || b.fixed && shape[start] == 1) {
		return start
	}
	if i := slices.Index(shape, -1); i >= 0 && (i < 2 || !isCache(v.Name)) {
		return i
	}
	if b.fixed && len(shape) > 1 {
		for i := range 2 {
			if shape[i] == 1 {
				return i
			}
		}
	}
	return -1
}

// settled reports whether all axes of v have a size where axis counts examples: those of a cache
// that are open are empty.
func settled(v *ir.Value, axis int) bool {
	return v.Type.Shape != nil && (isCache(v.Name) || !hasEmpty(v, axis))
}

// hasEmpty reports whether an axis other than that of the examples is open.
func hasEmpty(v *ir.Value, axis int) bool {
	for i, d := range v.Type.Shape {
		if d < 0 && i != axis {
			return true
		}
	}
	return false
}

// initialStates finds the inputs of g that are the initial states of recurrent layers, directly or
// behind operators that move elements about. It gives the axis that counts examples where it is
// known: 1 of what a layer reads as it is; and -1 for all other inputs.
func initialStates(g *ir.Graph) map[*ir.Value]int {
	out := map[*ir.Value]int{}
	for _, v := range g.Inputs {
		out[v] = -1
	}
	var visit func(v *ir.Value, direct bool)
	visit = func(v *ir.Value, direct bool) {
		switch {
		case v == nil:
		case v.Node == nil:
			if _, ok := out[v]; ok {
				out[v] = 0
				if direct {
					out[v] = 1
				}
			}
		case slices.Contains(moves, v.Node.Op):
			visit(v.Node.In(0), direct && v.Node.Op == "Identity")
		}
	}
	eachNode(g, func(n *ir.Node) {
		switch n.Op {
		case "LSTM", "GRU", "RNN":
			for i := 5; i < 7; i++ {
				visit(n.In(i), n.Attrs.Int("layout", 0) == 0)
			}
		}
	})
	return out
}

// moves are operators that give elements of their first input.
var moves = []string{"Identity", "Slice", "Squeeze", "Unsqueeze", "Split", "Gather", "Reshape", "Transpose", "Cast"}

func eachNode(g *ir.Graph, f func(*ir.Node)) {
	for _, n := range g.Nodes {
		f(n)
		for _, sub := range n.Attrs.Graphs() {
			eachNode(sub, f)
		}
	}
}

// dropStates takes the outputs that a model gives to its own next step out of the graph, but
// for the first: those that are like an input that was fixed and named so, or of its very type.
func dropStates(m *onnx.Model) {
	fed := map[string]bool{}
	for _, v := range m.Graph.Inputs {
		fed[v.Name] = true
	}
	var fixed []onnx.ValueInfo
	for _, v := range m.Inputs {
		if !fed[v.Name] && len(v.Shape) > 0 {
			fixed = append(fixed, v)
		}
	}
	if fixed == nil {
		return
	}
	state := func(v *ir.Value) bool {
		k := slices.IndexFunc(m.Outputs, func(o onnx.ValueInfo) bool { return o.Name == v.Name })
		if k < 0 {
			return false
		}
		out := m.Outputs[k]
		named := isState(v.Name) || strings.HasPrefix(strings.ToLower(v.Name), "present")
		return slices.ContainsFunc(fixed, func(in onnx.ValueInfo) bool {
			return in.DType == out.DType && len(in.Shape) == len(out.Shape) && (named || len(in.Shape) > 2 && in.Shape.Equal(out.Shape))
		})
	}
	first := m.Graph.Outputs[0]
	m.Graph.Outputs = slices.DeleteFunc(slices.Clone(m.Graph.Outputs), func(v *ir.Value) bool { return v != first && state(v) })
}
