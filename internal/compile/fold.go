package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// foldAlone is Constants.fold without a cache.
func foldAlone(g *ir.Graph) error { return new(Constants).fold(g) }

// fold computes every node whose inputs are all constant, and makes its results constants.
func (c *Constants) fold(g *ir.Graph) error { return c.foldFrom(g, 0) }

// foldFrom does the same for the nodes from index first on. A folded result keeps its identity, so
// nodes that read it see the constant.
func (c *Constants) foldFrom(g *ir.Graph, first int) error {
	var err error
	rest := slices.DeleteFunc(g.Nodes[first:], func(n *ir.Node) bool {
		if err != nil || !foldable(n) {
			return false
		}
		var out []*tensor.Tensor
		if out, err = c.evaluate(n); err != nil {
			return false
		}
		for i, v := range n.Outputs {
			if v != nil {
				v.Kind, v.Data, v.Node, v.Out = ir.Const, out[i], nil, 0
			}
		}
		return true
	})
	g.Nodes = g.Nodes[:first+len(rest)]
	return err
}

func foldable(n *ir.Node) bool {
	if len(n.Attrs.Graphs()) > 0 {
		return false
	}
	for _, v := range n.Inputs {
		if v != nil && v.Kind != ir.Const {
			return false
		}
	}
	d := ir.Lookup(n.Op)
	return d != nil && d.Bind != nil && !n.Attrs.Bool("random")
}

// evaluate runs one node on its constant inputs.
func (c *Constants) evaluate(n *ir.Node) ([]*tensor.Tensor, error) {
	in := make([]*tensor.Tensor, len(n.Inputs))
	for i, v := range n.Inputs {
		if v != nil {
			in[i] = v.Data
		}
	}
	return c.of(n.Op, n.Attrs, in, func() ([]*tensor.Tensor, error) { return run(n, in) })
}

// run runs one node.
func run(n *ir.Node, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	bound, err := ir.Lookup(n.Op).Bind(n)
	if err != nil {
		return nil, n.Errorf("%w", err)
	}
	out := make([]*tensor.Tensor, len(n.Outputs))
	for i, v := range n.Outputs {
		if v == nil {
			continue
		}
		if bound.View && i == 0 {
			out[i] = &tensor.Tensor{DType: v.Type.DType, Shape: v.Type.Shape, Bytes: in[0].Bytes}
			continue
		}
		out[i] = tensor.New(v.Type.DType, v.Type.Shape...)
	}
	if bound.View {
		return out, nil
	}
	if err := bound.Run(in, out, tensor.AlignedBytes(bound.Scratch)); err != nil {
		return nil, n.Errorf("%w", err)
	}
	return out, nil
}

// freeze makes the given weights constants, so that folding and packing can use their contents.
func freeze(g *ir.Graph, frozen func(*ir.Value) bool) {
	for _, p := range g.Params() {
		if frozen(p) {
			p.Kind = ir.Const
		}
	}
}

// checkLoops errors if a weight that is not frozen is read inside a loop that is not unrolled, as
// such a loop has no gradient. The error names the loop and the weight.
func checkLoops(g *ir.Graph, frozen func(*ir.Value) bool) error {
	for _, n := range g.Nodes {
		for _, body := range n.Attrs.Graphs() {
			for _, p := range body.Params() {
				if !frozen(p) {
					return n.Errorf("the weight %q cannot train: it is read inside a loop whose length depends on data; freeze it", p.Name)
				}
			}
			if err := checkLoops(body, frozen); err != nil {
				return err
			}
		}
	}
	return nil
}
