package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// region compiles a part of the model. All programs of the network share one arena, whatever their
// region, batch size and length. budget limits the program's memory in bytes; 0 means no limit.
func (n *Network) region(g *ir.Graph, budget int) (*compile.Program, error) {
	root := n.rooted()
	if root.arena == nil {
		root.arena = new(compile.Arena)
	}
	p, err := compile.Region(g, compile.Memory{Budget: budget, Arena: root.arena, Constants: n.constants()})
	if err == nil {
		root.most = max(root.most, n.BytesFor(p, 1))
	}
	return p, err
}

// BytesFor estimates a program's memory in bytes for times as many examples: its arena and the
// frontier values that it reads. It does not count the model's own inputs.
func (n *Network) BytesFor(p *compile.Program, times float64) int64 {
	read := 0
	for _, v := range p.Graph().Inputs {
		if !slices.ContainsFunc(n.Base.Model.Graph.Inputs, func(in *ir.Value) bool { return in.Name == v.Name }) {
			read += v.Type.Bytes()
		}
	}
	return int64(p.ArenaBytesFor(times)) + int64(times*float64(read))
}

// MostBytes returns the largest BytesFor of the programs compiled so far. They run in turn, so the
// frozen and the live region never need memory at the same time.
func (n *Network) MostBytes() int64 { return n.rooted().most }
