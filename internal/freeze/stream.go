package freeze

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// stream is what flows from the examples through the layers of a network. Masks, positions and
// sizes are not part of it, since no layer gave them.
type stream struct {
	layers map[*Weight]bool // weights by which a node combines features of the examples
	places map[*Weight]int  // node of each weight: see joins
	open   []int            // behind each node: values of the stream that later nodes still read
}

// shapeOnly lists the operators whose results depend on the shape of their inputs alone.
var shapeOnly = []string{"Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"}

func streamOf(raw *ir.Graph, ws []*Weight) *stream {
	s := &stream{map[*Weight]bool{}, map[*Weight]int{}, make([]int, len(raw.Nodes))}
	j := joinsOf(raw, ws)
	example, flows, last := map[*ir.Value]bool{}, map[*ir.Value]bool{}, map[*ir.Value]int{}
	for _, v := range raw.Inputs {
		example[v] = true
	}
	for i, n := range raw.Nodes {
		if slices.Contains(shapeOnly, n.Op) {
			continue
		}
		depends, through := false, false
		for _, v := range readBy(n) {
			if example[v] {
				depends = true
				through = through || flows[v]
				last[v] = i
			}
		}
		if !depends {
			j.passOn(n)
			continue
		}
		for _, w := range j.at(n, i, example) {
			if isLayer(w, n) {
				s.layers[w] = true
				through = true
			}
		}
		for _, v := range n.Outputs {
			if v != nil {
				example[v], flows[v] = true, through
			}
		}
	}
	s.places = j.places
	for _, v := range raw.Outputs {
		last[v] = len(raw.Nodes)
	}
	open := map[*ir.Value]bool{}
	for i, n := range raw.Nodes {
		for _, v := range readBy(n) {
			if last[v] <= i {
				delete(open, v)
			}
		}
		for _, v := range n.Outputs {
			if v != nil && flows[v] && last[v] > i {
				open[v] = true
			}
		}
		s.open[i] = len(open)
	}
	return s
}

// readBy lists the values that a node reads, those of its subgraphs included.
func readBy(n *ir.Node) []*ir.Value {
	vs := slices.Clone(n.Inputs)
	for _, g := range n.Attrs.Graphs() {
		vs = append(vs, g.Captures()...)
	}
	return slices.DeleteFunc(vs, func(v *ir.Value) bool { return v == nil })
}

// isLayer reports whether a weight is one by which node n combines features. Constants that are
// added, multiplied or repeated, such as the places of anchors, are none.
func isLayer(w *Weight, n *ir.Node) bool {
	return (w.Role == RoleWeight || w.Role == RoleEmbedding) && !n.RawTraits().Elementwise
}
