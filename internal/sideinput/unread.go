package sideinput

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// dropUnread takes the inputs that nothing reads, and that are not given, out of m's graph: no
// example needs to have them. It notes them, unless the file was tuned and they were noted then.
// Integers beside tokens stay: a mask tells which tokens are padding, whether the model reads it or
// not. So do states and the switch of training, which have a value of their own.
func dropUnread(m *onnx.Model, given map[string]string) (notes []string) {
	read := map[*ir.Value]bool{}
	for _, v := range m.Graph.Outputs {
		read[v] = true
	}
	for _, n := range m.Graph.Needed() {
		for _, v := range n.Inputs {
			read[v] = true
		}
		for _, sub := range n.Attrs.Graphs() {
			for _, v := range sub.Captures() {
				read[v] = true
			}
		}
	}
	first := slices.IndexFunc(m.Graph.Inputs, func(v *ir.Value) bool { return read[v] && !isScalar(v) })
	if first < 0 {
		return nil
	}
	tokens := m.Graph.Inputs[first].Type
	m.Graph.Inputs = slices.DeleteFunc(m.Graph.Inputs, func(v *ir.Value) bool {
		_, is := given[v.Name]
		beside := !tokens.DType.IsFloat() && !v.Type.DType.IsFloat() && len(v.Type.Shape) == len(tokens.Shape)
		if is || read[v] || beside || isTraining(v) || isState(v.Name) {
			return false
		}
		notes = append(notes, fmt.Sprintf("input %q is not fed: nothing in the model reads it", v.Name))
		return true
	})
	for key := range m.Metadata {
		if strings.HasPrefix(key, "permafrost.") {
			return nil
		}
	}
	return notes
}
