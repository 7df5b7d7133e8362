package onnx

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Detach lets go of the file's bytes. Every tensor of the graph becomes what share returns for it:
// an equal tensor that does not look at these bytes, such as a copy, or one of another model. The
// model can then still be run and has its Digest, but it cannot be written or compared.
func (m *Model) Detach(share func(*tensor.Tensor) *tensor.Tensor) {
	digest := m.Digest()
	m.digest = func() string { return digest }
	done := map[*ir.Value]bool{}
	value := func(v *ir.Value) {
		if v != nil && v.Data != nil && !done[v] {
			done[v] = true
			v.Data = share(v.Data)
		}
	}
	var graph func(g *ir.Graph)
	graph = func(g *ir.Graph) {
		for _, n := range g.Nodes {
			for _, v := range n.Inputs {
				value(v)
			}
			for name, a := range n.Attrs {
				switch a := a.(type) {
				case *tensor.Tensor:
					n.Attrs[name] = share(a)
				case *ir.Graph:
					graph(a)
				}
			}
		}
		for _, v := range g.Outputs {
			value(v)
		}
	}
	graph(m.Graph)
	m.Params, m.data, m.proto, m.consts = nil, nil, nil, nil
}
