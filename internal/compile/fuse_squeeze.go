package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// fuseSqueezes saves squeeze-and-excite blocks two passes over memory. The mean of a frozen
// depthwise convolution is computed while its rows are in the CPU cache. The scale is merged into
// the frozen 1x1 convolution that reads the product.
func fuseSqueezes(g *ir.Graph) error {
	for i := 0; i < len(g.Nodes); i++ {
		if fuseMean(g, g.Nodes[i]) {
			i--
		}
	}
	return rewrite(g, matchScale)
}

// fuseMean makes the convolution before a GlobalAveragePool compute the pool's result too.
func fuseMean(g *ir.Graph, n *ir.Node) bool {
	if n.Op != "GlobalAveragePool" || n.Attrs.Str("layout", "") != "NHWC" {
		return false
	}
	x, y := n.Inputs[0], n.Outputs[0]
	c := x.Node
	if c == nil || x.Out != 0 || x.Type.DType != tensor.Float32 || c.Op != "ConvChain" && !frozenDepthwise(c) {
		return false
	}
	r := op.FuseMean(c)
	if r == nil {
		return false
	}
	r.Outputs = []*ir.Value{x, y}
	x.Node, y.Node, y.Out = r, r, 1
	g.Nodes[slices.Index(g.Nodes, c)] = r
	g.Nodes = slices.DeleteFunc(g.Nodes, func(m *ir.Node) bool { return m == n })
	return true
}

// matchScale: a convolution of channels that are scaled per image.
func matchScale(m *matcher, n *ir.Node) *ir.Node {
	if !frozenConv(n) {
		return nil
	}
	mul := m.by(n.Inputs[0], "Mul")
	if mul == nil {
		return nil
	}
	for i, x := range mul.Inputs {
		if r := op.FuseScale(n, x, mul.Inputs[1-i]); r != nil {
			return r
		}
	}
	return nil
}
