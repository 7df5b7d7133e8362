package split

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// template derives a graph for any batch size from those for two and three examples. This is faster
// than compiling the model again, and lets all sizes share constants. The two graphs differ in axes
// and attributes that grow with the batch. Every difference is assumed to grow linearly, and the
// types that operators infer must agree.
type template struct{ two, three *ir.Graph }

var errNoTemplate = errors.New("split: graphs of different batch sizes differ in more than sizes")

// newTemplate errors with errNoTemplate if the graphs differ in more than sizes. It makes three
// share two's constants.
func newTemplate(two, three *ir.Graph) (*template, error) {
	if len(two.Inputs) != len(three.Inputs) || len(two.Nodes) != len(three.Nodes) || len(two.Outputs) != len(three.Outputs) {
		return nil, errNoTemplate
	}
	partner := map[*ir.Value]*ir.Value{} // of the inputs and results of two
	pair := func(v, w *ir.Value) bool {
		if v == nil || w == nil {
			return v == w
		}
		partner[v] = w
		return v.Name == w.Name && v.Type.DType == w.Type.DType && len(v.Type.Shape) == len(w.Type.Shape)
	}
	same := func(v, w *ir.Value) bool {
		switch {
		case v == nil || w == nil:
			return v == w
		case v.Kind != w.Kind || v.Name != w.Name:
			return false
		case v.Kind == ir.Param:
			return v.Data == w.Data
		case v.Kind == ir.Const:
			if v.Data != w.Data && !sameContents(v.Data, w.Data) {
				return false
			}
			w.Data = v.Data
			return true
		}
		return partner[v] == w
	}
	for i, v := range two.Inputs {
		if !pair(v, three.Inputs[i]) {
			return nil, errNoTemplate
		}
	}
	for i, m := range two.Nodes {
		n := three.Nodes[i]
		if m.Name != n.Name || m.Op != n.Op || len(m.Inputs) != len(n.Inputs) || len(m.Outputs) != len(n.Outputs) || !sameAttrs(m.Attrs, n.Attrs) {
			return nil, errNoTemplate
		}
		for k, v := range m.Inputs {
			if !same(v, n.Inputs[k]) {
				return nil, errNoTemplate
			}
		}
		for k, v := range m.Outputs {
			if !pair(v, n.Outputs[k]) {
				return nil, errNoTemplate
			}
		}
	}
	for i, v := range two.Outputs {
		if !same(v, three.Outputs[i]) {
			return nil, errNoTemplate
		}
	}
	return &template{two, three}, nil
}

func sameContents(a, b *tensor.Tensor) bool {
	return a.DType == b.DType && a.Shape.Equal(b.Shape) && bytes.Equal(a.Bytes, b.Bytes)
}

// sameAttrs reports whether attributes are equal apart from integers. Subgraphs are never
// considered equal.
func sameAttrs(a, b ir.Attrs) bool {
	return len(a) == len(b) && !slices.ContainsFunc(slices.Collect(maps.Keys(a)), func(k string) bool {
		switch v := a[k].(type) {
		case int:
			_, ok := b[k].(int)
			return !ok
		case []int:
			w, ok := b[k].([]int)
			return !ok || len(v) != len(w)
		case float32, string:
			return b[k] != v
		case []float32:
			w, ok := b[k].([]float32)
			return !ok || !slices.Equal(v, w)
		case []string:
			w, ok := b[k].([]string)
			return !ok || !slices.Equal(v, w)
		case *tensor.Tensor:
			w, ok := b[k].(*tensor.Tensor)
			return !ok || !sameContents(v, w)
		}
		return true
	})
}

// at returns the graph for a batch size. Its values are in the order of the template's.
func (t *template) at(batch int) (*ir.Graph, error) {
	g, _ := ir.Clone(t.two)
	grow := func(two, three int) int { return two + (three-two)*(batch-2) }
	growAll := func(two, three []int) []int {
		out := make([]int, len(two))
		for i := range out {
			out[i] = grow(two[i], three[i])
		}
		return out
	}
	for i, v := range g.Inputs {
		v.Type.Shape = growAll(t.two.Inputs[i].Type.Shape, t.three.Inputs[i].Type.Shape)
	}
	for i, n := range g.Nodes {
		three := t.three.Nodes[i]
		var attrs ir.Attrs
		for k, v := range n.Attrs {
			var grown any
			switch v := v.(type) {
			case int:
				if w := three.Attrs[k].(int); w != v {
					grown = grow(v, w)
				}
			case []int:
				if w := three.Attrs[k].([]int); !slices.Equal(v, w) {
					grown = growAll(v, w)
				}
			}
			if grown != nil {
				if attrs == nil {
					attrs = maps.Clone(n.Attrs)
				}
				attrs[k] = grown
			}
		}
		if attrs != nil {
			n.Attrs = attrs
		}
		types, err := ir.Lookup(n.Op).Infer(n)
		if err != nil {
			return nil, n.Errorf("%w", err)
		}
		for k, v := range n.Outputs {
			if v == nil {
				continue
			}
			v.Type.Shape = growAll(t.two.Nodes[i].Outputs[k].Type.Shape, three.Outputs[k].Type.Shape)
			if k >= len(types) || !types[k].Equal(v.Type) {
				return nil, errNoTemplate
			}
		}
	}
	return g, nil
}

// from returns the template of the part between the values at the given indices, which become the
// inputs, and the outputs.
func (t *template) from(cut []int) (*template, error) {
	part := func(g *ir.Graph) *ir.Graph {
		all := values(g)
		in := make([]*ir.Value, len(cut))
		for i, k := range cut {
			in[i] = all[k]
		}
		sub, _ := ir.Extract(g, g.Name, in, g.Outputs)
		return sub
	}
	return newTemplate(part(t.two), part(t.three))
}
