package split

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// openTexts writes a model of texts with the fixture's tokenizer beside it, and opens it.
func openTexts(t *testing.T, g *ir.Graph) (*Base, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tokenizer, err := json.Marshal(fixture.Tokenizer())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{path: b, strings.TrimSuffix(path, ".onnx") + ".tokenizer.json": tokenizer} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Open(path, feed.Options{})
}

// A batch that is fixed at 1 is made free where a model has several inputs, and one that is fixed
// at more is refused in the same words as for one input.
func TestFixedBatchOfTexts(t *testing.T) {
	for batch, want := range map[int]string{1: "", 2: "fixed at 2"} {
		for _, all := range []bool{false, true} {
			g := fixture.TextGraph(all, 1)
			for _, v := range append(g.Inputs, g.Outputs...) {
				v.Type.Shape[0], v.Dims[0] = batch, ""
			}
			b, err := openTexts(t, g)
			switch {
			case want != "":
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("batch %d: %v, want %q", batch, err, want)
				}
			case err != nil:
				t.Errorf("batch %d: %v", batch, err)
			case b.Model.Graph.Inputs[1].Type.Shape[0] >= 0:
				t.Errorf("the second input is still %v", b.Model.Graph.Inputs[1].Type)
			}
		}
	}
}

// A recurrence has outputs that nobody asks for; texts of all lengths go through it.
func TestLengthsThroughARecurrence(t *testing.T) {
	g := ir.New("tagger")
	s := sketch{g}
	ids := g.AddInput("input_ids", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{-1, -1}})
	ids.Dims = []string{"batch", "sequence"}
	x := s.node("word", "Gather", nil, s.weight("word.w", 4+len(fixture.Words), 8), ids)
	x = s.node("steps first", "Transpose", ir.Attrs{"perm": []int{1, 0, 2}}, x)
	n := &ir.Node{Name: "gru", Op: "GRU", Version: 14, Inputs: []*ir.Value{x, s.weight("gru.w", 1, 24, 8), s.weight("gru.r", 1, 24, 8)}, Attrs: ir.Attrs{"hidden_size": 8}}
	y := g.AddNode(n, []ir.Type{{}}, "gru").Outputs[0]
	y = s.node("batch first", "Transpose", ir.Attrs{"perm": []int{1, 0, 2}}, s.node("direction", "Squeeze", nil, y, s.ints("axis", 1)))
	y = s.product("fc", y, 8, 5)
	y.Type, y.Dims = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, -1, 5}}, []string{"batch", "sequence", ""}
	g.Outputs = []*ir.Value{y}
	b, err := openTexts(t, g)
	if err != nil {
		t.Fatal(err)
	}
	net, err := New(b, &task.Classify{Classes: []string{"a", "b"}}, Options{Head: "linear"})
	if err != nil {
		t.Fatal(err)
	}
	shares, err := net.Shares()
	if err != nil {
		t.Fatal(err)
	}
	if s := shares[0].Shape(20); !s.Equal(tensor.Shape{1, 8}) {
		t.Errorf("the frontier of a text of 20 tokens is %v, want its pooled features [1,8]", s)
	}
}
