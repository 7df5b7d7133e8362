package run

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// TestConvolutionAsClassifier: scores [N,C,1,1], also as halves, train and are measured as [N,C] are.
func TestConvolutionAsClassifier(t *testing.T) {
	for name, halves := range map[string]bool{"float32": false, "float16": true} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 1))
			g := ir.New("maps")
			x := g.AddInput("image", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3, 8, 8}})
			x.Dims = []string{"batch", "", "", ""}
			param := func(name string, shape ...int) *ir.Value {
				p := tensor.New(tensor.Float32, shape...)
				for i := range p.F32() {
					p.F32()[i] = float32(0.3 * r.NormFloat64())
				}
				return g.NewParam(name, p)
			}
			add := func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
				return g.AddNode(&ir.Node{Name: "/" + op, Op: op, Version: 17, Inputs: in, Attrs: attrs}, []ir.Type{{}}, "/"+op+"_output_0").Outputs[0]
			}
			h := add("Relu", nil, add("Conv", ir.Attrs{"pads": []int{1, 1, 1, 1}}, x, param("conv.weight", 16, 3, 3, 3)))
			pooled := add("GlobalAveragePool", nil, h)
			n := &ir.Node{Name: "/classifier/Conv", Op: "Conv", Version: 17, Inputs: []*ir.Value{pooled, param("classifier.weight", 4, 16, 1, 1), param("classifier.bias", 4)}}
			y := g.AddNode(n, []ir.Type{{}}, "scores").Outputs[0]
			y.Type = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4, 1, 1}}
			if halves {
				y = add("Cast", ir.Attrs{"to": 10}, y)
				y.Type = ir.Type{DType: tensor.Float16, Shape: tensor.Shape{-1, 4, 1, 1}}
			}
			g.Outputs = []*ir.Value{y}
			file, err := onnx.Build(g, onnx.BuildOptions{})
			must(t, err)
			c := tinyConfig(t)
			c.Model, c.Out, c.Head, c.Thaw, c.LR, c.Epochs = filepath.Join(t.TempDir(), "maps.onnx"), t.TempDir(), "keep", []string{"all"}, 0.02, 20
			must(t, os.WriteFile(c.Model, file, 0o644))
			fit := mustFit(t, c)
			if fit.ValAccuracy < 0.6 { // a quarter by chance
				t.Errorf("accuracy %g", fit.ValAccuracy)
			}
			p, err := tuned.Open(filepath.Join(c.Out, ModelFile))
			must(t, err)
			e, err := p.Eval(context.Background(), c.Data)
			if err != nil || e.Accuracy != fit.ValAccuracy {
				t.Errorf("eval %+v (%v), the fit %v", e, err, fit.ValAccuracy)
			}
		})
	}
}
