package compile

import (
	"bytes"
	"context"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A table's product gives the bits that the product of its rows gives, in runs of any size: a run
// of few rows does without it.
func TestTableBits(t *testing.T) {
	for _, steps := range []int{1, 3, 60} {
		build := func(passes ...pass) *ir.Graph {
			s := newSketch()
			rows := s.Op("Gather", nil, s.constant("table", 70, 600), s.tokens(steps))
			y := s.Op("MatMul", ir.Attrs{"transB": 1, "act": "tanh"}, rows, s.constant("w", 45, 600), s.constant("b", 45))
			s.Graph.Outputs = []*ir.Value{y}
			if err := runPasses(s.Graph, passes); err != nil {
				t.Fatal(err)
			}
			return s.Graph
		}
		ids := newSketch().indices(steps)
		run := func(g *ir.Graph) *tensor.Tensor {
			p, err := planMemory(g, map[*ir.Node]ir.Bound{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.program(g, nil).Run(context.Background(), ids)
			if err != nil {
				t.Fatal(err)
			}
			return out[0]
		}
		plain, folded := build(), build(pass{name: "tables", run: new(Constants).foldTables})
		if got, want := len(folded.Nodes), map[bool]int{true: 1, false: 2}[steps == 60]; got != want {
			t.Errorf("%d steps: %d operators, want %d", steps, got, want)
		}
		if !bytes.Equal(run(plain).Bytes, run(folded).Bytes) {
			t.Errorf("%d steps: other bits", steps)
		}
	}
}
