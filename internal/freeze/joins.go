package freeze

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// joins tells where weights meet what flows from the examples: at the nodes that read them, and,
// where nodes compute with weights alone first, at those that read the outcome. Exporters that fold
// no constants reorder the gates of recurrences, scale filters and cut tables in this way.
type joins struct {
	readers map[string][]*Weight    // by node
	of      map[*ir.Value][]*Weight // weights that a value is computed of, and nothing else
	met     map[*Weight]bool
	places  map[*Weight]int // index of the first node that reads a weight, or else its outcome
}

func joinsOf(raw *ir.Graph, ws []*Weight) *joins {
	j := &joins{map[string][]*Weight{}, map[*ir.Value][]*Weight{}, map[*Weight]bool{}, map[*Weight]int{}}
	at := make(map[string]int, len(raw.Nodes))
	for i, n := range raw.Nodes {
		at[n.Name] = i
	}
	for _, w := range ws {
		j.of[w.Value] = []*Weight{w}
		for k, n := range w.Nodes {
			j.readers[n] = append(j.readers[n], w)
			if k == 0 {
				j.places[w] = at[n]
			}
		}
	}
	return j
}

// passOn notes a node that reads nothing of the examples.
func (j *joins) passOn(n *ir.Node) {
	var ws []*Weight
	for _, v := range readBy(n) {
		for _, w := range j.of[v] {
			if !slices.Contains(ws, w) {
				ws = append(ws, w)
			}
		}
	}
	for _, v := range n.Outputs {
		if v != nil && ws != nil {
			j.of[v] = ws
		}
	}
}

// at lists the weights that meet the examples at node i.
func (j *joins) at(n *ir.Node, i int, example map[*ir.Value]bool) []*Weight {
	ws := slices.Clone(j.readers[n.Name])
	for _, w := range ws {
		j.met[w] = true
	}
	for _, v := range readBy(n) {
		if example[v] {
			continue
		}
		for _, w := range j.of[v] {
			if slices.Contains(ws, w) {
				continue
			}
			ws = append(ws, w)
			if !j.met[w] {
				j.met[w], j.places[w] = true, i
			}
		}
	}
	return ws
}
