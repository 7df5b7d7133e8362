package split

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A classifier whose weights are integers is found, so that a head can take its place, but is not
// kept.
func TestQuantizedClassifier(t *testing.T) {
	g := ir.New("quantised")
	x := g.AddInput("features", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}})
	node := func(op string, in ...*ir.Value) *ir.Value {
		n := &ir.Node{Name: op, Op: op, Version: 13, Inputs: in}
		return g.AddNode(n, []ir.Type{{}}, op).Outputs[0]
	}
	x = node("Relu", x)
	w := node("DequantizeLinear", g.NewConst("w", tensor.Of(make([]int8, 12), 4, 3)), g.NewConst("s", tensor.Scalar(float32(0.1))))
	scores := node("MatMul", x, w)
	g.Outputs = []*ir.Value{scores}

	c := FindClassifier(g)
	if c == nil || c.Features != x || c.Scores != scores || !c.Quantized || len(c.Weights) > 0 {
		t.Fatalf("found %+v", c)
	}
	_, err := AttachHead(g, HeadSpec{Kind: "keep"}, map[string]tensor.Shape{"features": {2, 4}})
	if err == nil || !strings.Contains(err.Error(), "quantised") {
		t.Errorf("keeping it: %v", err)
	}
	h, err := AttachHead(g, HeadSpec{Kind: "linear", Classes: 2}, map[string]tensor.Shape{"features": {2, 4}})
	if err != nil || h.Features != 4 {
		t.Errorf("replacing it: %+v, %v", h, err)
	}
}

// A classifier that scores every place of a map gives what the model makes of them: their mean.
func TestPooledScores(t *testing.T) {
	g := ir.New("pooled")
	x := g.AddInput("image", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4, 3, 3}})
	node := func(name, op string, in ...*ir.Value) *ir.Value {
		n := &ir.Node{Name: name, Op: op, Version: 13, Inputs: in}
		return g.AddNode(n, []ir.Type{{}}, name).Outputs[0]
	}
	x = node("features", "Relu", x)
	w := g.NewParam("w", tensor.New(tensor.Float32, 5, 4, 1, 1))
	scores := node("flat", "Flatten", node("pool", "GlobalAveragePool", node("relu", "Relu", node("classifier", "Conv", x, w))))
	g.Outputs = []*ir.Value{node("softmax", "Softmax", scores)}
	c := FindClassifier(g)
	if c == nil || c.Features != x || c.Scores != scores {
		t.Fatalf("found %+v", c)
	}
	h, err := AttachHead(g, HeadSpec{Kind: "keep", Classes: 5}, map[string]tensor.Shape{"image": {2, 4, 3, 3}})
	if err != nil || len(h.Weights) != 1 {
		t.Errorf("keeping it: %+v, %v", h, err)
	}
}
