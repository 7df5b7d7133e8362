package train

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// tinyModel writes a small residual network with batch normalisation, 8x8 pictures in and four scores
// out, with seeded weights: stem, two blocks, pooling, classifier.
func tinyModel(t testing.TB) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	g := ir.New("tiny")
	x := g.AddInput("image", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3, 8, 8}})
	x.Dims = []string{"batch", "", "", ""}
	param := func(name string, center, spread float64, shape ...int) *ir.Value {
		p := tensor.New(tensor.Float32, shape...)
		for i, d := 0, p.F32(); i < len(d); i++ {
			d[i] = float32(center + spread*r.NormFloat64())
		}
		return g.NewParam(name, p)
	}
	node := func(path, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: path, Op: op, Inputs: in, Attrs: attrs, Version: 17}, []ir.Type{{}}, path+"_output_0").Outputs[0]
	}
	conv := func(in *ir.Value, path, name string, c, k int) *ir.Value {
		return node(path+"/Conv", "Conv", ir.Attrs{"pads": []int{1, 1, 1, 1}, "kernel_shape": []int{3, 3}}, in,
			param(name+".weight", 0, math.Sqrt(2/float64(9*c)), k, c, 3, 3))
	}
	norm := func(in *ir.Value, path, name string, c int) *ir.Value {
		v := param(name+".running_var", 0, 1, c)
		for i, d := 0, v.Data.F32(); i < len(d); i++ {
			d[i] = 0.5 + d[i]*d[i]
		}
		return node(path+"/BatchNormalization", "BatchNormalization", ir.Attrs{"epsilon": float32(1e-5)}, in,
			param(name+".weight", 1, 0.1, c), param(name+".bias", 0, 0.1, c), param(name+".running_mean", 0, 0.2, c), v)
	}
	h := node("/Relu", "Relu", nil, norm(conv(x, "/conv1", "conv1", 3, 8), "/bn1", "bn1", 8))
	for i := 1; i <= 2; i++ {
		path, name := fmt.Sprintf("/layer%d/layer%d.0", i, i), fmt.Sprintf("layer%d.0", i)
		y := node(path+"/Relu", "Relu", nil, norm(conv(h, path+"/conv1", name+".conv1", 8, 8), path+"/bn1", name+".bn1", 8))
		y = norm(conv(y, path+"/conv2", name+".conv2", 8, 8), path+"/bn2", name+".bn2", 8)
		h = node(path+"/Relu_1", "Relu", nil, node(path+"/Add", "Add", nil, y, h))
	}
	h = node("/Flatten", "Flatten", nil, node("/GlobalAveragePool", "GlobalAveragePool", nil, h))
	y := node("/fc/Gemm", "Gemm", ir.Attrs{"transB": 1}, h, param("fc.weight", 0, 0.3, 4, 8), param("fc.bias", 0, 0.1, 4))
	y.Name = "logits"
	y.Type = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}}
	g.Outputs = []*ir.Value{y}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyData writes class folders of 8x8 pictures: each class has its own colour and stripe, with noise.
func tinyData(t testing.TB, classes, each int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	for _, part := range []string{"train", "val"} {
		for c := range classes {
			sub := filepath.Join(dir, part, fmt.Sprintf("class%d", c))
			if err := os.MkdirAll(sub, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range each {
				img := image.NewRGBA(image.Rect(0, 0, 8, 8))
				for y := range 8 {
					for x := range 8 {
						v := 60 + 40*c
						if (x+c*y)%4 < 2 {
							v += 60
						}
						noise := func() uint8 { return uint8(max(0, min(255, v+r.IntN(61)-30))) }
						img.Set(x, y, color.RGBA{noise(), noise(), noise(), 255})
					}
				}
				f, err := os.Create(filepath.Join(sub, fmt.Sprintf("%03d.png", i)))
				if err != nil {
					t.Fatal(err)
				}
				if err := png.Encode(f, img); err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
		}
	}
	return dir
}

// tinyConfig is a fit of the tiny model to the tiny data.
func tinyConfig(t testing.TB) Config {
	c := DefaultConfig()
	c.Model, c.Data = tinyModel(t), tinyData(t, 4, 12)
	c.Preprocess, c.Epochs, c.Batch, c.Cache = "unit", 3, 10, "ram"
	return c
}
