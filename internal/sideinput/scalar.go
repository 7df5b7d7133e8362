package sideinput

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A scalar has no axis for examples: it is the same for all, so it must be fixed.

// isTraining reports whether an input switches between training and inference.
func isTraining(v *ir.Value) bool {
	lower := strings.ToLower(v.Name)
	return isScalar(v) && v.Type.DType == tensor.Bool && (strings.Contains(lower, "train") || strings.Contains(lower, "learning_phase"))
}

func isScalar(v *ir.Value) bool { return v.Type.Shape != nil && len(v.Type.Shape) == 0 }

// checkScalars errors if the model reads a scalar that is not fixed.
func checkScalars(m *onnx.Model) error {
	read := readers(m.Graph, map[*ir.Value][]*ir.Node{})
	for _, v := range m.Graph.Inputs {
		if isScalar(v) && len(read[v]) > 0 {
			return option.Errorf("input", "the model takes %q, one %v for all examples: give option input %s=%s, or another value", v.Name, v.Type.DType, v.Name, usualValue(v, read[v]))
		}
	}
	return nil
}

// readers collects the nodes that read each value, in a graph and its subgraphs.
func readers(g *ir.Graph, to map[*ir.Value][]*ir.Node) map[*ir.Value][]*ir.Node {
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v != nil {
				to[v] = append(to[v], n)
			}
		}
		for _, sub := range n.Attrs.Graphs() {
			readers(sub, to)
		}
	}
	return to
}

// usualValue is a value to propose for a scalar: what the model compares it with, or what inputs of
// its name and type are.
func usualValue(v *ir.Value, read []*ir.Node) string {
	for _, n := range read {
		for _, w := range n.Inputs {
			if w != v && w.IsConst() && w.Data.Len() == 1 && n.RawTraits().Elementwise {
				return fmt.Sprint(w.Data.Float64s()[0])
			}
		}
	}
	lower := strings.ToLower(v.Name)
	switch {
	case v.Type.DType == tensor.Bool:
		return "false"
	case lower == "sr" || strings.Contains(lower, "rate"):
		return "16000"
	}
	return "1"
}
