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
	flows  map[*ir.Value]bool
	spans  []span // of the values of the stream that later nodes read
}

// span is the nodes behind which a value of the stream is open, which means that later ones still
// read it: from the one that gives it to the one before its last reader.
type span struct{ from, to, readers int }

// open counts, behind each node from one to before another, the open values.
func (s *stream) open(from, to int) []int {
	return s.count(from, to, func(span, int) bool { return true })
}

// openBesideMemory is open without the memory that a stretch of nodes reads again and again, as
// every layer of a decoder does: values with at least three readers that are open in most of it.
func (s *stream) openBesideMemory(from, to int) []int {
	return s.count(from, to, func(v span, nodes int) bool { return v.readers < 3 || 2*nodes <= to-from })
}

// count counts the open values that a function takes, given also behind how many of the nodes they
// are open.
func (s *stream) count(from, to int, takes func(v span, nodes int) bool) []int {
	counts := make([]int, to-from)
	for _, v := range s.spans {
		a, b := max(v.from, from), min(v.to+1, to)
		if a >= b || !takes(v, b-a) {
			continue
		}
		for i := a; i < b; i++ {
			counts[i-from]++
		}
	}
	return counts
}

// shapeOnly lists the operators whose results depend on the shape of their inputs alone.
var shapeOnly = []string{"Shape", "Size", "EyeLike", "RandomNormalLike", "RandomUniformLike"}

func streamOf(raw *ir.Graph, ws []*Weight) *stream {
	s := &stream{layers: map[*Weight]bool{}, flows: map[*ir.Value]bool{}}
	j := joinsOf(raw, ws)
	example, last, readers := map[*ir.Value]bool{}, map[*ir.Value]int{}, map[*ir.Value]int{}
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
				through = through || s.flows[v]
				last[v] = i
				readers[v]++
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
				example[v], s.flows[v] = true, through
			}
		}
	}
	s.places = j.places
	for _, v := range raw.Outputs {
		last[v] = len(raw.Nodes)
	}
	for i, n := range raw.Nodes {
		for _, v := range n.Outputs {
			if v != nil && s.flows[v] && last[v] > i {
				s.spans = append(s.spans, span{i, last[v] - 1, readers[v]})
			}
		}
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
// added, multiplied, repeated or put beside features, such as the places of anchors and class
// tokens, are none.
func isLayer(w *Weight, n *ir.Node) bool {
	return (w.Role == RoleWeight || w.Role == RoleEmbedding) && !n.RawTraits().Elementwise && !slices.Contains(placing, n.Op)
}

// placing lists the operators that put values side by side or repeat them.
var placing = []string{"Concat", "Expand", "Tile", "Pad"}
