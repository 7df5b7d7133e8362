package op_test

import (
	"context"
	"math"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestExtending takes the operator of docs/extending.md from a file through the passes and its
// gradient into a program, and holds the gradient of a weight before it against finite differences.
// The cases of the operator itself run with those of all others.
func TestExtending(t *testing.T) {
	x, w := tensor.Of([]float32{1, -2, 0.5, 3, 1, -1}, 2, 3), tensor.Of([]float32{0.3, -0.2, 0.1, 0.4, -0.5, 0.2}, 3, 2)
	loss, d := trainSquareplus(t, x, w)
	if d == nil {
		t.Fatal("the weight has no gradient")
	}
	const step = 1e-2
	for i := range w.F32() {
		at := func(by float32) float64 {
			moved := w.Clone()
			moved.F32()[i] += by
			l, _ := trainSquareplus(t, x, moved)
			return l
		}
		if want := (at(step) - at(-step)) / (2 * step); math.Abs(float64(d.F32()[i])-want) > 1e-3 {
			t.Errorf("gradient %d is %g, finite differences give %g", i, d.F32()[i], want)
		}
	}
	var want float64
	for r := range 2 {
		for c := range 2 {
			var z float64
			for k := range 3 {
				z += float64(x.F32()[3*r+k]) * float64(w.F32()[2*k+c])
			}
			want += (z + math.Sqrt(z*z+9)) / 2 / 4
		}
	}
	if math.Abs(loss-want) > 1e-5 {
		t.Errorf("the mean of Squareplus is %g, want %g", loss, want)
	}
}

// trainSquareplus is mean(Squareplus(x w)), and its gradient with respect to w, of a model that
// went through a file.
func trainSquareplus(t *testing.T, x, w *tensor.Tensor) (float64, *tensor.Tensor) {
	t.Helper()
	raw := ir.New("g")
	in := raw.AddInput("x", ir.Type{DType: tensor.Float32, Shape: x.Shape})
	z := raw.AddNode(&ir.Node{Name: "fc", Op: "MatMul", Version: 17, Inputs: []*ir.Value{in, raw.NewParam("w", w)}}, []ir.Type{{}}, "z").Outputs[0]
	y := raw.AddNode(&ir.Node{Name: "act", Op: "Squareplus", Domain: "org.example", Version: 1, Inputs: []*ir.Value{z},
		Attrs: ir.Attrs{"b": float32(9)}}, []ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{2, 2}}}, "y").Outputs[0]
	raw.Outputs = []*ir.Value{y}
	data, err := onnx.Build(raw, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(data, "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := compile.Model(m.Graph, compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	weights := g.Params()
	if _, err := compile.Train(g, compile.TrainOptions{Thawed: weights}); err != nil {
		t.Fatal(err)
	}
	b := ir.NewBuilder(g, "loss")
	loss := b.Op("ReduceMean", ir.Attrs{"keepdims": 0}, g.Outputs[0])
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	grads, err := grad.Differentiate(g, loss, weights)
	if err != nil {
		t.Fatal(err)
	}
	sub, _ := ir.Extract(g, "train", g.Inputs, append([]*ir.Value{loss}, grads...))
	p, err := compile.Region(sub, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return float64(out[0].F32()[0]), out[1].Clone()
}
