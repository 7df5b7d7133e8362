package freeze

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// TestUses: the matrices of a real transformer are found by what they are for, whatever their names.
func TestUses(t *testing.T) {
	m, err := onnx.Open(shared.Path(t, "models", "stories260k.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	set := Describe(m.Graph, nil)
	for selector, want := range map[string]string{
		"kind:query": "wq", "kind:key": "wk", "kind:value": "wv", "kind:output": "wo",
		"kind:attention": "wq wk wv wo", "kind:feedforward": "w1 w3 w2",
	} {
		ws, err := set.Select([]string{selector})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range ws {
			if len(w.Module) > 1 && w.Module[1] == "3" {
				got = append(got, w.Module[len(w.Module)-1])
			}
		}
		if strings.Join(got, " ") != want || len(ws) != 5*len(got) {
			t.Errorf("%s: %v of layer 3, %d in all; want %s in each of 5 layers", selector, got, len(ws), want)
		}
	}
	if !set.Attention {
		t.Error("no attention")
	}
}
