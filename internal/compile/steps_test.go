package compile_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stories is the model of that name, its first output being the scores of the next token.
func stories(t *testing.T) *ir.Graph {
	t.Helper()
	m, err := onnx.Open(shared.Path(t, "models", "stories260k.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	m.Graph.Outputs = m.Graph.Outputs[1:]
	return m.Graph
}

func textInputs(length int) map[string]*tensor.Tensor {
	mask := tensor.New(tensor.Int64, 1, length)
	for i := range mask.I64() {
		mask.I64()[i] = 1
	}
	return map[string]*tensor.Tensor{"input_ids": tensor.New(tensor.Int64, 1, length), "attention_mask": mask}
}

// TestStepsAgree compares every step with the model run on the whole sequence.
func TestStepsAgree(t *testing.T) {
	raw := stories(t)
	const n = 24
	steps, err := compile.NewSteps(raw, "input_ids", textInputs, n)
	if err != nil {
		t.Fatal(err)
	}
	in := textInputs(n)
	for i := range in["input_ids"].I64() {
		in["input_ids"].I64()[i] = int64(1 + i*37%500)
	}
	g, err := compile.Model(raw, compile.Options{Shapes: map[string]tensor.Shape{"input_ids": {1, n}, "attention_mask": {1, n}}, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile.Region(g, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), in["input_ids"], in["attention_mask"])
	if err != nil {
		t.Fatal(err)
	}
	whole := slices.Clone(out[0].F32())
	for range 2 { // what an earlier text left in the cache does not matter
		for i, token := range in["input_ids"].I64() {
			scores, err := steps.Next(context.Background(), int(token), i)
			if err != nil {
				t.Fatal(err)
			}
			for j, v := range scores {
				if w := whole[i*len(scores)+j]; math.Abs(float64(v-w)) > 1e-4 {
					t.Fatalf("position %d: score %d is %g, %g in the whole sequence", i, j, v, w)
				}
			}
		}
	}
	if _, err := steps.Next(context.Background(), 1, n); err == nil {
		t.Error("a token is taken for which there is no room")
	}
}

// TestStories decodes greedily from the beginning of a text.
func TestStories(t *testing.T) {
	raw := stories(t)
	b, err := os.ReadFile(shared.Path(t, "models", "stories260k.tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Model struct{ Vocab map[string]int }
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	pieces := map[int]string{}
	for s, i := range file.Model.Vocab {
		pieces[i] = s
	}
	const want = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball."
	steps, err := compile.NewSteps(raw, "input_ids", textInputs, 128)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	token := 1 // <s>
	for i := 0; i < steps.Len() && text.Len() < len(want)+1; i++ {
		scores, err := steps.Next(context.Background(), token, i)
		if err != nil {
			t.Fatal(err)
		}
		token = decode.Sampler{}.Pick(scores, i)
		text.WriteString(strings.ReplaceAll(pieces[token], "▁", " "))
	}
	if got := strings.TrimPrefix(text.String(), " "); !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestStepsRefuse names the operator by which a position depends on later ones or in a way that is
// not known.
func TestStepsRefuse(t *testing.T) {
	attend := func(add func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value {
		scores := add("MatMul", nil, x, add("Transpose", ir.Attrs{"perm": []int{0, 2, 1}}, x))
		return add("MatMul", nil, add("Softmax", ir.Attrs{"axis": -1}, scores), x)
	}
	for _, c := range []struct {
		want  string
		build func(add func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value
	}{
		{"sees later positions", attend},
		{"does not treat every position by itself", func(add func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value {
			return add("Softmax", ir.Attrs{"axis": 1}, x)
		}},
		{"does not score every position", func(add func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value {
			return add("Transpose", ir.Attrs{"perm": []int{0, 2, 1}}, x)
		}},
	} {
		g := ir.New("m")
		ids := g.AddInput("ids", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{-1, -1}})
		table := tensor.New(tensor.Float32, 5, 4)
		for i := range table.F32() {
			table.F32()[i] = float32(i % 7)
		}
		add := func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
			name := g.Unique(op)
			return g.AddNode(&ir.Node{Name: name, Op: op, Version: 17, Inputs: in, Attrs: attrs}, []ir.Type{{}}, name+"_out").Outputs[0]
		}
		g.Outputs = []*ir.Value{c.build(add, add("Gather", ir.Attrs{"axis": 0}, g.NewParam("table", table), ids))}
		_, err := compile.NewSteps(g, "ids", func(n int) map[string]*tensor.Tensor {
			return map[string]*tensor.Tensor{"ids": tensor.New(tensor.Int64, 1, n)}
		}, 8)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
