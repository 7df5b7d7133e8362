// Package dynamicbatch makes the batch axis of a model dynamic if its file fixes it at 1, as many
// exporters do.
//
// In: a model, and a function that traces its shapes. Out: the changed graph, the patch that makes
// the same change in the written file, and a note of what was done. It must not know what the model
// is for, how its inputs are prepared, or how the graph is run.
package dynamicbatch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Free makes the batch axis of a model dynamic if the file fixes it at 1. The first axis of every
// input becomes symbolic. Constant Reshape targets that contain the batch size infer it instead.
// Constants that are concatenated with examples, such as class tokens, are repeated for each
// example.
//
// Free changes m's raw graph and its declared inputs and outputs. It returns the same change as a
// patch for the written file. The note says what was done. If the batch was already dynamic, note
// and patch are empty.
//
// Free follows the batch through the graph operator by operator. If that fails, the error names the
// node and m is unchanged. Operators without a rule are assumed to keep examples apart along axis
// 0. The caller must verify this by comparing the results of a batch with those of its examples one
// by one.
//
// trace, such as compile.Trace, returns the shapes of all values at a batch of 1, and the values
// that follow from shapes alone. If it is nil or fails, only simple shapes are known.
func Free(m *onnx.Model, trace func(*ir.Graph, map[string]tensor.Shape) (map[*ir.Value]*ir.Value, error)) (*onnx.Patch, string, error) {
	p := &onnx.Patch{}
	in := m.Graph.Inputs
	if len(in) == 0 || len(in[0].Type.Shape) == 0 || in[0].Type.Shape[0] < 0 {
		return p, "", nil
	}
	if b := in[0].Type.Shape[0]; b != 1 {
		return nil, "", fmt.Errorf("dynamicbatch: the model's batch is fixed at %d: only a batch of 1 can be made free", b)
	}
	t := &tracker{m: m, at: map[*ir.Value]spread{}, known: map[*ir.Value]tensor.Shape{}, sizes: map[*ir.Value][]bool{}, edits: map[*ir.Node][]int64{}}
	if trace != nil {
		if seen, err := trace(m.Graph, nil); err == nil {
			t.seen = seen
		}
	}
	for _, v := range m.Graph.Inputs {
		if len(v.Type.Shape) > 0 && v.Type.Shape[0] == 1 {
			t.at[v] = spread{q: 1, dims: v.Type.Shape.Clone()}
		}
	}
	for _, n := range m.Graph.Nodes {
		for _, v := range n.Inputs { // inputs that are the same for every example
			if v.IsConst() && slices.Contains(v.Type.Shape, -1) {
				t.at[v] = spread{axis: slices.Index(v.Type.Shape, -1), q: 1, dims: v.Data.Shape.Clone()}
			}
		}
	}
	for _, n := range m.Graph.Needed() {
		if err := t.node(n); err != nil {
			return nil, "", fmt.Errorf("dynamicbatch: the model's batch is fixed at 1 and cannot be made free: %w", n.Errorf("%w", err))
		}
	}
	targets := t.collect(p)
	t.declare(p)
	if err := m.Check(p); err != nil {
		return nil, "", fmt.Errorf("dynamicbatch: the model's batch is fixed at 1 and cannot be made free: %w", err)
	}
	t.apply(p)
	note := "the batch was fixed at 1 and is free now"
	var did []string
	if targets > 0 {
		did = append(did, count(targets, "Reshape target", "infers it", "infer it"))
	}
	if len(t.repeats) > 0 {
		did = append(did, count(len(t.repeats), "constant", "is repeated for each example", "are repeated for each example"))
	}
	if len(t.assumed) > 0 {
		slices.Sort(t.assumed)
		did = append(did, "taken to keep examples apart: "+strings.Join(slices.Compact(t.assumed), ", "))
	}
	if len(did) > 0 {
		note += ": " + strings.Join(did, "; ")
	}
	return p, note, nil
}

func count(n int, what, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s %s", what, one)
	}
	return fmt.Sprintf("%d %ss %s", n, what, many)
}
