package freeze

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// segment is a stretch of a network's nodes with at least one layer.
type segment struct {
	nodes   []*ir.Node
	start   int       // index of the first node
	weights []*Weight // outside the head
	layers  []*Weight // of the weights, those that combine features
	of      *stream
}

// with is two stretches one after the other.
func (s *segment) with(next *segment) *segment {
	return &segment{slices.Concat(s.nodes, next.nodes), s.start, slices.Concat(s.weights, next.weights), slices.Concat(s.layers, next.layers), s.of}
}

// elements counts those of the segments' weights.
func elements(segments ...*segment) int {
	n := 0
	for _, s := range segments {
		for _, w := range s.weights {
			n += w.Len()
		}
	}
	return n
}

// segmentsOf cuts a graph behind every node at which one value of the stream is open. Weights
// belong to the node that reads them first, or, if that reads weights alone, to the first at which
// they meet the stream.
func segmentsOf(raw *ir.Graph, ws []*Weight) []*segment {
	s := streamOf(raw, ws)
	all := &segment{nodes: raw.Nodes, of: s}
	for _, w := range ws {
		if w.Head || w.Role == RoleTable || len(w.Nodes) == 0 {
			continue
		}
		all.weights = append(all.weights, w)
	}
	slices.SortStableFunc(all.weights, func(a, b *Weight) int { return cmp.Compare(s.places[a], s.places[b]) })
	for _, w := range all.weights {
		if s.layers[w] {
			all.layers = append(all.layers, w)
		}
	}
	if len(all.weights) == 0 {
		return nil
	}
	return all.cut(s.open(0, len(raw.Nodes)), 1)
}

// cut cuts a segment behind the nodes at which so many values are open, as far as there is a layer in
// every part. What has none belongs to the part before it. open counts the values behind each node.
func (s *segment) cut(open []int, at int) []*segment {
	var parts []*segment
	from := 0
	weights, layers := s.weights, s.layers
	take := func(to int) { // the nodes up to there
		upTo := func(ws []*Weight) int {
			k := 0
			for k < len(ws) && s.of.places[ws[k]]-s.start < to {
				k++
			}
			return k
		}
		w, l := upTo(weights), upTo(layers)
		part := &segment{s.nodes[from:to], s.start + from, weights[:w], layers[:l], s.of}
		from, weights, layers = to, weights[w:], layers[l:]
		switch last := len(parts) - 1; {
		case last >= 0 && (len(part.layers) == 0 || len(parts[last].layers) == 0):
			parts[last] = parts[last].with(part)
		default:
			parts = append(parts, part)
		}
	}
	for i, k := range open {
		if k == at || i == len(open)-1 {
			take(i + 1)
		}
	}
	return parts
}

// fewLayers is how many layers a residual block has at most: three convolutions and a shortcut.
// manyLayers is more than any single part of a network has; of decoders that read the same memory,
// and of networks with several branches, no place has one value alone.
const fewLayers, manyLayers = 4, 12

// divide divides segments that hold more than half of the weights, and those of very many layers or
// of several recurrences, at the places inside where the fewest values are open, as far as layers
// lie on both sides. A residual block stays whole, however large: no part of it makes sense alone.
func divide(segments []*segment) []*segment {
	total := elements(segments...)
	var out []*segment
	for queue := segments; len(queue) > 0; {
		s := queue[0]
		queue = queue[1:]
		large := 2*elements(s) > total && len(s.layers) > fewLayers
		if large || len(s.layers) > manyLayers || s.recurrences() > 1 {
			if parts := s.divided(); len(parts) > 1 {
				queue = append(parts, queue...)
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// recurrences counts the recurrent layers of a segment.
func (s *segment) recurrences() int {
	k := 0
	for _, n := range s.nodes {
		if n.RawTraits().Recurrent {
			k++
		}
	}
	return k
}

// divided divides a segment where the fewest values are open beside a memory that all of it reads.
func (s *segment) divided() []*segment {
	open := s.of.openBesideMemory(s.start, s.start+len(s.nodes))
	counts := slices.Clone(open)
	slices.Sort(counts)
	for _, k := range slices.Compact(counts) {
		if parts := s.cut(open, k); len(parts) > 1 {
			return parts
		}
	}
	return []*segment{s}
}
