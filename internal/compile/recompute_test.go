package compile

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestRecomputeWhereCheap: a large activation that is read again after the loss is computed again there
// if the graph's products take so long that nobody sees it, or if a budget demands it.
func TestRecomputeWhereCheap(t *testing.T) {
	const rows, width = 256, 256
	for name, c := range map[string]struct {
		products int
		budget   int
		values   int
	}{
		"many products":             {products: 32, values: 1},
		"few products":              {products: 4, values: 0},
		"few products and a budget": {products: 4, budget: 1, values: 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := ir.New("g")
			b := ir.NewBuilder(g, "")
			x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{rows, width}})
			w := g.AddInput("w", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{width, width}})
			kept := b.Op("Relu", nil, x)
			y := kept
			for range c.products {
				y = b.Op("MatMul", nil, y, w)
			}
			loss := b.Op("ReduceSum", ir.Attrs{"axes": []int{0, 1}, "keepdims": 0}, y)
			g.Outputs = []*ir.Value{loss, b.Op("Mul", nil, kept, loss)}
			if err := b.Err(); err != nil {
				t.Fatal(err)
			}
			nodes := len(g.Nodes)
			plan, err := planMemory(g, map[*ir.Node]ir.Bound{})
			if err != nil {
				t.Fatal(err)
			}
			q, done, err := recompute(g, plan, c.budget)
			if err != nil {
				t.Fatal(err)
			}
			if done.Values != c.values || len(g.Nodes) != nodes+c.values {
				t.Errorf("%d values are computed again, %d nodes were added; want %d", done.Values, len(g.Nodes)-nodes, c.values)
			}
			if saved := plan.total() - q.total(); saved != done.Bytes || (saved > 0) != (c.values > 0) {
				t.Errorf("%d bytes are saved, told %d", saved, done.Bytes)
			}
		})
	}
}
