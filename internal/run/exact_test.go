package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// unmasked writes a text model that takes input_ids alone, and so cannot tell padding: an
// embedding, attention of every token to every other, and a convolution over five tokens without
// padding of its own, [N,T] -> [N,T-4,8].
func unmasked(t testing.TB) config.Config {
	t.Helper()
	g, r := ir.New("unmasked"), rand.New(rand.NewPCG(7, 8))
	ids := g.AddInput("input_ids", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{-1, -1}})
	ids.Dims = []string{"batch", "sequence"}
	add := func(op, path string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: path, Op: op, Version: 17, Inputs: in, Attrs: attrs}, []ir.Type{{}}, path+"_output_0").Outputs[0]
	}
	normal := func(name string, dev float64, shape ...int) *ir.Value {
		x := tensor.New(tensor.Float32, shape...)
		for i := range x.F32() {
			x.F32()[i] = float32(dev * r.NormFloat64())
		}
		return g.NewParam(name, x)
	}
	turn := func(path string, x *ir.Value) *ir.Value {
		return add("Transpose", path, ir.Attrs{"perm": []int{0, 2, 1}}, x)
	}
	x := add("Gather", "/embed/Gather", nil, normal("embed.weight", 1, 4+len(fixture.Words), 8), ids)
	scores := add("MatMul", "/scores/MatMul", nil, x, turn("/Transpose", x))
	x = add("Add", "/Add", nil, x, add("MatMul", "/mix/MatMul", nil, add("Softmax", "/Softmax", ir.Attrs{"axis": -1}, scores), x))
	x = add("Conv", "/conv/Conv", ir.Attrs{"kernel_shape": []int{5}}, turn("/Transpose_1", x), normal("conv.weight", 0.2, 8, 8, 5), normal("conv.bias", 0.1, 8))
	x = add("MatMul", "/out/MatMul", nil, turn("/Transpose_2", add("Relu", "/Relu", nil, x)), normal("out.weight", 0.4, 8, 8))
	x = add("Tanh", "/Tanh", nil, x) // what ends in a product would be taken for a classifier
	x.Name, x.Dims = "hidden", []string{"batch", "frames", ""}
	x.Type = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, -1, 8}}
	g.Outputs = []*ir.Value{x}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := textConfig(t, false)
	tokenizer := fixture.Tokenizer()
	delete(tokenizer, "post_processor") // the shortest text is one token
	js, err := json.Marshal(tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{c.Model: b, strings.TrimSuffix(c.Model, ".onnx") + ".tokenizer.json": js} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// A text of a model without a mask is read as it would be alone, whatever is in its batch: nothing
// is padded but what is shorter than the model can take.
func TestUnmaskedTexts(t *testing.T) {
	cfg := unmasked(t)
	cfg.Pool = "mean"
	s, err := Prepare(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	e, err := keep.NewEncoder(s.Net, s.Train, nil)
	if err != nil {
		t.Fatal(err)
	}
	model, err := onnx.Open(cfg.Model)
	if err != nil {
		t.Fatal(err)
	}
	alone := func(tokens []int) []float32 {
		ids := make([]int64, len(tokens))
		for i, id := range tokens {
			ids[i] = int64(id)
		}
		in := tensor.Of(ids, 1, len(ids))
		g, err := compile.Model(model.Graph, compile.Options{Shapes: map[string]tensor.Shape{"input_ids": in.Shape}, Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		p, err := compile.Region(g, compile.Memory{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		mean := make([]float32, 8)
		for i, v := range out[0].F32() {
			mean[i%8] += v / float32(out[0].Shape[1])
		}
		return mean
	}
	seen := map[int]bool{}
	batches := 0
	for b, err := range e.Batches(context.Background(), s.Train.Groups(data.FileOrder(s.Train.Len()), 16), data.Plain) {
		if err != nil {
			t.Fatal(err)
		}
		batches++
		p, err := s.Net.At(b.Length).Features(len(b.Indices))
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(context.Background(), b.Values...)
		if err != nil {
			t.Fatal(err)
		}
		for k, i := range b.Indices {
			ids, err := s.Train.Tokens(i, "input_ids")
			if err != nil {
				t.Fatal(err)
			}
			if len(ids) != b.Length || len(ids) < 5 {
				t.Fatalf("example %d has %d tokens in a batch of %d", i, len(ids), b.Length)
			}
			seen[len(ids)] = true
			got := &tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{8}, Bytes: out[0].Bytes[32*k : 32*(k+1)]}
			if err := tensor.Close(got, tensor.Of(alone(ids), 8), paddingTolerance); err != nil {
				t.Errorf("example %d of %d tokens: %v", i, len(ids), err)
			}
		}
	}
	if !seen[5] || len(seen) < 10 {
		t.Errorf("lengths %v", seen)
	}
	if want := s.Train.Batches(16); batches != want {
		t.Errorf("%d batches, Batches says %d", batches, want)
	}
}

// Fits of such a model: the cache changes no bit, the tuned file says what training said, and the
// schedule knows how many steps there are.
func TestUnmaskedFit(t *testing.T) {
	for _, thaw := range []string{"head", "/out/*,/conv/*", "all"} {
		base := unmasked(t)
		base.Thaw = []string{thaw}
		var want []byte
		for _, cache := range []string{"ram", "off"} {
			cfg := base
			cfg.Out, cfg.Cache = t.TempDir(), cache
			r := mustFit(t, cfg)
			got := read(t, cfg.Out, ModelFile)
			if want == nil {
				want = got
			} else if !bytes.Equal(got, want) {
				t.Errorf("thaw %s: cache %s gives other bits", thaw, cache)
			}
			p, err := tuned.Open(filepath.Join(cfg.Out, ModelFile))
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Eval(context.Background(), cfg.Data)
			if err != nil {
				t.Fatal(err)
			}
			if e.Accuracy != r.ValAccuracy || math.Abs(e.Loss-r.ValLoss) > 1e-4*(1+r.ValLoss) {
				t.Errorf("thaw %s: the tuned file has accuracy %g and loss %g, the fit said %g and %g", thaw, e.Accuracy, e.Loss, r.ValAccuracy, r.ValLoss)
			}
			steps := 0
			var promised string
			for _, line := range strings.Split(string(read(t, cfg.Out, EventsFile)), "\n") {
				switch {
				case strings.Contains(line, `"type":"step"`):
					steps++
				case strings.Contains(line, `"type":"run_start"`):
					promised = line
				}
			}
			if !strings.Contains(promised, fmt.Sprintf(`"steps":%d,`, steps)) {
				t.Errorf("thaw %s: %d steps, the run began with %s", thaw, steps, promised)
			}
		}
	}
}
