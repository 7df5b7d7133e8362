package compile

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
)

// fuseChains merges a frozen depthwise convolution and the convolutions around it into one
// operator, as in inverted residuals (expand, depthwise, project). The wide results between them
// then stay in the CPU cache. A value that another node reads, such as backward or a squeeze, stays
// separate and ends the chain.
func fuseChains(g *ir.Graph) error {
	return rewrite(g, matchInvertedResidual, matchExpandedDepthwise)
}

// matchInvertedResidual: a depthwise convolution with the one after it and, if present, the one
// before it.
func matchInvertedResidual(m *matcher, n *ir.Node) *ir.Node {
	if !frozenConv(n) {
		return nil
	}
	depthwise := m.by(n.Inputs[0], "Conv")
	if depthwise == nil || !frozenDepthwise(depthwise) {
		return nil
	}
	if expand := m.by(depthwise.Inputs[0], "Conv"); expand != nil && frozenConv(expand) {
		return op.FuseChain(expand, depthwise, n) // or the first two, see below
	}
	return op.FuseChain(depthwise, n)
}

// matchExpandedDepthwise: a depthwise convolution and the one before it.
func matchExpandedDepthwise(m *matcher, n *ir.Node) *ir.Node {
	if !frozenDepthwise(n) {
		return nil
	}
	expand := m.by(n.Inputs[0], "Conv")
	if expand == nil || !frozenConv(expand) {
		return nil
	}
	return op.FuseChain(expand, n)
}

func frozenConv(n *ir.Node) bool { return n.Op == "Conv" && n.Inputs[1].IsConst() }

func frozenDepthwise(n *ir.Node) bool {
	group := n.Attrs.Int("group", 1)
	return frozenConv(n) && group > 1 && group == n.Inputs[1].Type.Shape[0]
}
