package compile

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestConstants checks that graphs of two batch sizes share what folding came to, and that another
// permutation is another constant.
func TestConstants(t *testing.T) {
	var c Constants
	w := tensor.New(tensor.Float32, 16, 16, 16)
	for i := range w.F32() {
		w.F32()[i] = float32(i)
	}
	folded := func(batch int, perm ...int) *tensor.Tensor {
		g := ir.New("g")
		b := ir.NewBuilder(g, "")
		x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{batch, 1, 16, 16}})
		moved := b.Op("Transpose", ir.Attrs{"perm": perm}, g.NewConst("w", w))
		g.Outputs = []*ir.Value{b.Op("Add", nil, x, moved)}
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		if err := runPasses(g, modelPasses(&c)); err != nil {
			t.Fatal(err)
		}
		if len(g.Nodes) != 1 {
			t.Fatalf("%d nodes are left, want the sum alone", len(g.Nodes))
		}
		return g.Nodes[0].Inputs[1].Data
	}
	two, three, other := folded(2, 0, 2, 1), folded(3, 0, 2, 1), folded(2, 2, 0, 1)
	if two != three {
		t.Error("two batch sizes do not share the folded weight")
	}
	if two == other || two.F32()[16] == other.F32()[16] {
		t.Error("another permutation gave the same constant")
	}
}
