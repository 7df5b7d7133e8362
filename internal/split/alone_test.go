package split

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestFrontierBits: a picture's values at the frontier are the same bits at every batch size, also
// where a convolution of so small a map pays by another algorithm in a large batch.
func TestFrontierBits(t *testing.T) {
	g := ir.New("small maps")
	x := g.AddInput("image", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3, 8, 8}})
	x.Dims = []string{"batch", "", "", ""}
	r := rand.New(rand.NewPCG(5, 6))
	drawn := func(shape ...int) *tensor.Tensor {
		t := tensor.New(tensor.Float32, shape...)
		for i := range t.F32() {
			t.F32()[i] = float32(r.NormFloat64())
		}
		return t
	}
	param := func(name string, shape ...int) *ir.Value { return g.NewParam(name, drawn(shape...)) }
	add := func(path, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: path, Op: op, Inputs: in, Attrs: attrs, Version: 17}, []ir.Type{{}}, path+"_output_0").Outputs[0]
	}
	h := add("/stem/Conv", "Conv", ir.Attrs{"pads": []int{1, 1, 1, 1}, "strides": []int{2, 2}}, x, param("stem.weight", 32, 3, 3, 3))
	h = add("/body/Conv", "Conv", ir.Attrs{"pads": []int{1, 1, 1, 1}}, add("/stem/Relu", "Relu", nil, h), param("body.weight", 32, 32, 3, 3))
	h = add("/Flatten", "Flatten", nil, add("/GlobalAveragePool", "GlobalAveragePool", nil, add("/body/Relu", "Relu", nil, h)))
	y := add("/fc/Gemm", "Gemm", ir.Attrs{"transB": 1}, h, param("fc.weight", 4, 32), param("fc.bias", 4))
	y.Name, y.Type = "logits", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}}
	g.Outputs = []*ir.Value{y}
	path := filepath.Join(t.TempDir(), "small.onnx")
	file, err := onnx.Build(g, onnx.BuildOptions{})
	if err == nil {
		err = os.WriteFile(path, file, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	base, err := Open(path, feed.Options{Preprocess: "unit"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(base, &task.Classify{Classes: make([]string, 4)}, Options{Head: "linear", Pool: "auto", Thaw: []string{"head"}, BatchNorm: "auto"})
	if err != nil {
		t.Fatal(err)
	}
	const most = 80
	pictures := drawn(most, 3, 8, 8)
	frozen := func(batch int) []byte {
		p, err := n.Frozen(batch)
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(context.Background(), tensor.Of(pictures.F32()[:batch*3*8*8], batch, 3, 8, 8))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(out[0].Bytes)
	}
	all := frozen(most)
	for _, batch := range []int{1, 2, 7, 32} {
		if got := frozen(batch); !bytes.Equal(got, all[:len(got)]) {
			t.Errorf("%d pictures have other values than in company of %d", batch, most)
		}
	}
	n, err = New(base, &task.Classify{Classes: make([]string, 4)}, Options{Head: "linear", Pool: "auto", Thaw: []string{"all"}, BatchNorm: "auto"})
	if err != nil {
		t.Fatal(err)
	}
	if g, err = n.build(most); err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Nodes {
		if c.Op == "Conv" && c.Attrs.Has("chosen_for") {
			t.Errorf("%s is live and chooses its algorithm for another batch", c.Name)
		}
	}
}
