package freeze

import (
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestOrder: exporters put the nodes that pass weights on at the start of the graph; the blocks are
// in the order of the layers all the same, and a shared weight belongs to the first layer that
// reads it.
func TestOrder(t *testing.T) {
	g := ir.New("order")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{1, 2}})
	node := func(op, name string, in ...*ir.Value) *ir.Value {
		n := &ir.Node{Name: name, Op: op, Inputs: in}
		g.AddNode(n, []ir.Type{{}}, name+"_output")
		return n.Outputs[0]
	}
	weight := func(name string) *ir.Value { return g.NewParam(name, tensor.New(tensor.Float32, 2, 2)) }
	shared := g.NewParam("onnx::Bias_9", tensor.New(tensor.Float32, 2))
	late := node("Identity", "Identity_0", weight("blocks.1.fc.weight"))
	passed := node("Identity", "Identity_1", shared)
	v := node("Gemm", "/blocks.0/fc/Gemm", x, weight("blocks.0.fc.weight"), passed)
	g.Outputs = []*ir.Value{node("Gemm", "/blocks.1/fc/Gemm", v, late, shared)}

	s := Describe(g, nil)
	var names []string
	for _, w := range s.Weights {
		names = append(names, w.Name)
	}
	if want := []string{"blocks.0.fc.weight", "onnx::Bias_9", "blocks.1.fc.weight"}; !slices.Equal(names, want) {
		t.Errorf("weights %v, want %v", names, want)
	}
	if want := []string{"blocks.0", "blocks.1"}; !slices.Equal(s.Blocks, want) {
		t.Errorf("blocks %v, want %v", s.Blocks, want)
	}
	w := s.ByName("onnx::Bias_9")
	if want := []string{"/blocks.0/fc/Gemm", "/blocks.1/fc/Gemm"}; !slices.Equal(w.Nodes, want) || w.Block != 0 {
		t.Errorf("the shared weight is read by %v, want %v, and belongs to block %d", w.Nodes, want, w.Block)
	}
}
