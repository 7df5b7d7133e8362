package compile

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// foldTables computes what a product makes of the rows of a frozen table, as of token embeddings,
// once for the whole table: each run then picks rows of the result. The bits are the same, as a row
// of a product with constant weights does not depend on the others.
func (c *Constants) foldTables(g *ir.Graph) error {
	if err := rewrite(g, matchTransposedRows, matchProductOfRows); err != nil {
		return err
	}
	return c.fold(g)
}

// A table is worth its product where some runs read as many rows as it has, and where the result
// is not large.
const (
	tableRuns   = 4
	tableFloats = 1 << 22
)

// rowsOf returns the Gather that picks rows of a constant float table to make v, else nil.
func rowsOf(v *ir.Value) *ir.Node {
	n := v.Node
	if n == nil || n.Op != "Gather" || n.Attrs.Int("axis", 0) != 0 {
		return nil
	}
	t := n.Inputs[0]
	if !t.IsConst() || t.Type.DType != tensor.Float32 || len(t.Type.Shape) != 2 || n.Inputs[1].IsConst() {
		return nil
	}
	return n
}

// matchTransposedRows: the indices are transposed, not the rows.
func matchTransposedRows(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Transpose" || !keepsLast(n) {
		return nil
	}
	rows := m.by(n.Inputs[0], "Gather")
	if rows == nil || rowsOf(n.Inputs[0]) == nil {
		return nil
	}
	perm := n.Attrs.Ints("perm")
	ids := m.add(n.Name, "Transpose", ir.Attrs{"perm": perm[:len(perm)-1]}, rows.Inputs[1])
	return &ir.Node{Name: rows.Name, Op: "Gather", Attrs: rows.Attrs, Inputs: []*ir.Value{rows.Inputs[0], ids}}
}

// matchProductOfRows: rows of the product of the table.
func matchProductOfRows(m *matcher, n *ir.Node) *ir.Node {
	if !rowwiseProduct(n) || !n.Inputs[1].IsConst() || n.In(2) != nil && !n.In(2).IsConst() {
		return nil
	}
	rows := rowsOf(n.Inputs[0])
	if rows == nil {
		return nil
	}
	table, ids := rows.Inputs[0], rows.Inputs[1]
	y := n.Outputs[0].Type.Shape
	height, width := table.Type.Shape[0], y[len(y)-1]
	if height > tableRuns*ids.Type.Shape.Len() || height*width > tableFloats {
		return nil
	}
	product := m.add(n.Name, "MatMul", n.Attrs, append([]*ir.Value{table}, n.Inputs[1:]...)...)
	return &ir.Node{Name: rows.Name, Op: "Gather", Attrs: rows.Attrs, Inputs: []*ir.Value{product, ids}}
}
