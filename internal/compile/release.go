package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// largeConstant is the size in bytes from which a weight that is packed is given back at once, where it
// is on disk.
const largeConstant = 1 << 20

// packer drops the contents of constants as soon as all their readers have packed them, so that a
// graph's weights are never in memory in both forms at once. The type remains.
type packer struct {
	unbound map[*ir.Value]int  // by constant: how many inputs of nodes are still to be bound
	read    map[*ir.Value]bool // the constants that something reads in their own form
}

func newPacker(g *ir.Graph) *packer {
	p := &packer{map[*ir.Value]int{}, map[*ir.Value]bool{}}
	for _, v := range g.Outputs {
		p.read[v] = true
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v.IsConst() {
				p.unbound[v]++
			}
		}
		for _, body := range n.Attrs.Graphs() {
			for _, v := range body.Captures() {
				p.read[v] = true
			}
		}
	}
	return p
}

// bound says that a node is bound. Nodes that may be bound again, in a twin or to compute a value
// twice, keep their constants.
func (p *packer) bound(n *ir.Node, b ir.Bound) {
	large := false
	for k, v := range n.Inputs {
		if !v.IsConst() {
			continue
		}
		p.unbound[v]--
		p.read[v] = p.read[v] || b.Stateful || n.Traits().Cheap || !slices.Contains(b.Packed, k)
		if p.unbound[v] == 0 && !p.read[v] {
			large = large || len(v.Data.Bytes) >= largeConstant
			v.Data = &tensor.Tensor{DType: v.Type.DType, Shape: v.Type.Shape}
		}
	}
	if large {
		ondisk.Release()
	}
}
