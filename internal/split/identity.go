package split

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Digest names contents.
type Digest = [sha256.Size]byte

// identifier computes digests of a graph's values from how they are computed: operators,
// attributes, types, and the contents of weights and constants, back to the graph's inputs. Names
// and the rest of the graph do not matter. If values of two graphs have the same digest, the graphs
// compute the same values from the same inputs.
type identifier struct {
	sums   map[*ir.Value]Digest
	common *common // digests of constants; nil: none are known
}

func Identify(g *ir.Graph) *identifier {
	d := &identifier{sums: map[*ir.Value]Digest{}}
	for i, v := range g.Inputs {
		d.sums[v] = sha256.Sum256(fmt.Appendf(nil, "input %d %v", i, v.Type))
	}
	return d
}

// Sums are digests of contents that never change, so that many graphs that share constants digest
// them once. It keeps the contents alive. It is safe for concurrent use.
type Sums struct{ c common }

func NewSums() *Sums {
	return &Sums{common{folded: new(compile.Constants), sums: map[*tensor.Tensor]Digest{}}}
}

// IdentifyBy is Identify with known digests of constants.
func IdentifyBy(s *Sums, g *ir.Graph) *identifier {
	d := Identify(g)
	d.common = &s.c
	return d
}

// Of returns the digest of v; v is nil for an absent input.
func (d *identifier) Of(v *ir.Value) Digest {
	if v == nil {
		return Digest{}
	}
	if s, ok := d.sums[v]; ok {
		return s
	}
	if v.Node == nil && v.Data != nil {
		c := d.common
		if v.Kind != ir.Const { // a weight that trains
			c = nil
		}
		d.sums[v] = contents(v.Data, c.sum(v.Data))
		return d.sums[v]
	}
	h := sha256.New()
	if v.Node != nil {
		n := d.node(v.Node)
		fmt.Fprintf(h, "result %d %v ", v.Out, v.Type)
		h.Write(n[:])
	} else {
		// a subgraph's outer value that nobody provides
		fmt.Fprintf(h, "free %q %v", v.Name, v.Type)
	}
	s := Digest(h.Sum(nil))
	d.sums[v] = s
	return s
}

func (d *identifier) node(n *ir.Node) Digest {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %d %d\n", n.Domain, n.Op, n.Version, len(n.Inputs))
	for _, v := range n.Inputs {
		s := d.Of(v)
		h.Write(s[:])
	}
	for _, k := range slices.Sorted(maps.Keys(n.Attrs)) {
		fmt.Fprintf(h, "\n%q ", k)
		switch v := n.Attrs[k].(type) {
		case *tensor.Tensor:
			s := contents(v, (*common)(nil).sum(v))
			h.Write(s[:])
		case *ir.Graph:
			d.subgraph(h, v)
		default:
			fmt.Fprintf(h, "%T %v", v, v)
		}
	}
	return Digest(h.Sum(nil))
}

// subgraph digests a body by its results. Values that it reads from outside are identified there.
func (d *identifier) subgraph(h hash.Hash, g *ir.Graph) {
	for i, v := range g.Inputs {
		d.sums[v] = sha256.Sum256(fmt.Appendf(nil, "argument %d %v", i, v.Type))
	}
	fmt.Fprintf(h, "graph %d", len(g.Outputs))
	for _, v := range g.Outputs {
		s := d.Of(v)
		h.Write(s[:])
	}
}

// constants digests on all threads the constants that values are computed from.
func (d *identifier) constants(g *ir.Graph, values []*ir.Value) {
	var ts []*tensor.Tensor
	for n := range g.Ancestors(values...) {
		for _, v := range n.Inputs {
			if v != nil && v.Node == nil && v.Kind == ir.Const && v.Data != nil {
				ts = append(ts, v.Data)
			}
		}
	}
	d.common.sumAll(ts)
}

// contents is the digest of a tensor whose bytes have a digest.
func contents(t *tensor.Tensor, bytes Digest) Digest {
	return sha256.Sum256(fmt.Appendf(nil, "tensor %v %v %d %x", t.DType, t.Shape, len(t.Bytes), bytes))
}
