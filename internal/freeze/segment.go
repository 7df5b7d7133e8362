package freeze

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// segment is a stretch of a network's nodes with at least one layer.
type segment struct {
	nodes   []*ir.Node
	open    []int     // behind each node: see stream
	weights []*Weight // outside the head
	layers  []*Weight // of the weights, those that combine features
}

// with is two stretches one after the other.
func (s *segment) with(next *segment) *segment {
	return &segment{slices.Concat(s.nodes, next.nodes), slices.Concat(s.open, next.open),
		slices.Concat(s.weights, next.weights), slices.Concat(s.layers, next.layers)}
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
// belong to the node that reads them first.
func segmentsOf(raw *ir.Graph, ws []*Weight) []*segment {
	s := streamOf(raw, ws)
	all := &segment{nodes: raw.Nodes, open: s.open}
	for _, w := range ws {
		if w.Head || w.Role == RoleTable || len(w.Nodes) == 0 {
			continue
		}
		all.weights = append(all.weights, w)
		if s.layers[w] {
			all.layers = append(all.layers, w)
		}
	}
	if len(all.weights) == 0 {
		return nil
	}
	return all.cut(1)
}

// cut cuts a segment behind the nodes at which so many values are open, as far as there is a layer
// in every part. What has none belongs to the part before it.
func (s *segment) cut(open int) []*segment {
	at := map[string]int{}
	for i, n := range s.nodes {
		at[n.Name] = i
	}
	var parts []*segment
	from := 0
	weights, layers := s.weights, s.layers
	take := func(to int) { // the nodes up to there
		upTo := func(ws []*Weight) int {
			k := 0
			for k < len(ws) && at[ws[k].Nodes[0]] < to {
				k++
			}
			return k
		}
		w, l := upTo(weights), upTo(layers)
		part := &segment{s.nodes[from:to], s.open[from:to], weights[:w], layers[:l]}
		from, weights, layers = to, weights[w:], layers[l:]
		switch last := len(parts) - 1; {
		case last >= 0 && (len(part.layers) == 0 || len(parts[last].layers) == 0):
			parts[last] = parts[last].with(part)
		default:
			parts = append(parts, part)
		}
	}
	for i, k := range s.open {
		if k == open || i == len(s.open)-1 {
			take(i + 1)
		}
	}
	return parts
}

// blockLayers is how many layers a residual block has at most: three convolutions and a shortcut.
const blockLayers = 4

// divide divides segments that hold more than half of the weights at the places inside where the
// fewest values are open, as far as layers lie on both sides. A residual block stays whole, however
// large: no part of it makes sense alone.
func divide(segments []*segment) []*segment {
	total := elements(segments...)
	var out []*segment
	for queue := segments; len(queue) > 0; {
		s := queue[0]
		queue = queue[1:]
		if parts := s.divided(); 2*elements(s) > total && len(parts) > 1 && len(s.layers) > blockLayers {
			queue = append(parts, queue...)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s *segment) divided() []*segment {
	counts := slices.Clone(s.open)
	slices.Sort(counts)
	for _, k := range slices.Compact(counts) {
		if parts := s.cut(k); len(parts) > 1 {
			return parts
		}
	}
	return []*segment{s}
}
