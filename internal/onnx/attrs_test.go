package onnx

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A file in which an attribute has a wrong type is refused: its operator would otherwise run with
// the default.
func TestAttributeOfWrongType(t *testing.T) {
	g := ir.New("g")
	matrix := ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2, 3}}
	x := g.AddInput("x", matrix)
	n := g.AddNode(&ir.Node{Name: "act", Op: "LeakyRelu", Version: 16, Inputs: []*ir.Value{x}, Attrs: ir.Attrs{"alpha": 1}}, []ir.Type{matrix}, "y")
	g.Outputs = n.Outputs
	b, err := Build(g, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := `node "act" (LeakyRelu): attribute "alpha" is an integer, takes a floating-point number`
	if _, err := Parse(b, ""); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
