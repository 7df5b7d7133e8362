package op_test

import (
	"math"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestExperimental holds the experimental operators of early ONNX against values by hand.
func TestExperimental(t *testing.T) {
	image := tensor.Of([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1, 1, 3, 4)
	pair := tensor.Of([]float32{1, 2}, 1, 2, 1, 1)
	for _, c := range []struct {
		op    string
		attrs ir.Attrs
		x     *tensor.Tensor
		want  *tensor.Tensor
	}{
		{"ImageScaler", ir.Attrs{"scale": float32(2), "bias": []float32{10, -1}}, pair, tensor.Of([]float32{12, 3}, 1, 2, 1, 1)},
		{"Crop", ir.Attrs{"border": []int{1, 0, 1, 2}}, image, tensor.Of([]float32{2, 3}, 1, 1, 1, 2)},
		{"Crop", ir.Attrs{"border": []int{1, 1, 0, 0}, "scale": []int{2, 2}}, image, tensor.Of([]float32{6, 7, 10, 11}, 1, 1, 2, 2)},
		{"Affine", ir.Attrs{"alpha": float32(3), "beta": float32(-1)}, pair, tensor.Of([]float32{2, 5}, 1, 2, 1, 1)},
		{"Scale", ir.Attrs{"scale": float32(3)}, pair, tensor.Of([]float32{3, 6}, 1, 2, 1, 1)},
		{"ScaledTanh", ir.Attrs{"alpha": float32(2), "beta": float32(0.5)}, pair, tensor.Of([]float32{float32(2 * math.Tanh(0.5)), float32(2 * math.Tanh(1))}, 1, 2, 1, 1)},
		{"ParametricSoftplus", ir.Attrs{"alpha": float32(2), "beta": float32(0.5)}, pair,
			tensor.Of([]float32{float32(2 * math.Log1p(math.Exp(0.5))), float32(2 * math.Log1p(math.E))}, 1, 2, 1, 1)},
	} {
		g := ir.New(c.op)
		x := g.AddInput("x", ir.TypeOf(c.x))
		g.Outputs = g.AddNode(&ir.Node{Name: "n", Op: c.op, Version: 7, Attrs: c.attrs, Inputs: []*ir.Value{x}}, []ir.Type{{}}).Outputs
		p, err := compile.Inference(g, nil, compile.Memory{})
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
			continue
		}
		out, err := p.Run(t.Context(), c.x)
		if err == nil {
			err = tensor.Close(out[0], c.want, tensor.Tolerance{Name: "by hand", Rel: 1e-6, Abs: 1e-6})
		}
		if err != nil {
			t.Errorf("%s: %v", c.op, err)
		}
	}
}

// TestStraightThrough: rounding hands the gradient on, and what is cut to the range has none.
func TestStraightThrough(t *testing.T) {
	g := ir.New("rounded")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{4}})
	b := ir.NewBuilder(g, "n")
	y := b.Op("FakeQuantize", ir.Attrs{"to": "uint8", "scale": float32(0.5), "zero": 1}, x)
	loss := b.Op("ReduceSum", ir.Attrs{"keepdims": 0}, b.Op("Mul", nil, y, b.Const(tensor.Of([]float32{1, 2, 3, 4}))))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	grads, err := grad.Differentiate(g, loss, []*ir.Value{x})
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = grads
	p, err := compile.Region(g, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(t.Context(), tensor.Of([]float32{-2, 0.25, 0.7, 300}))
	if err != nil {
		t.Fatal(err)
	}
	if err := tensor.Close(out[0], tensor.Of([]float32{0, 2, 3, 0}), tensor.Tolerance{Name: "exact"}); err != nil {
		t.Error(err)
	}
}
