package freeze

import (
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// findBlocks groups the weights outside the head into the repeated parts of the network, in order of
// first use, and returns the parts' names.
//
// Names decide where they can: the block of layer2.0.conv1 is layer2.0, of encoder.layers.3.mlp.0 it
// is encoder.layers.3: the path up to its first numbered part and the numbered parts that follow
// directly, the layer's own name apart. Where that gives blocks of a single layer, as in
// blocks.11.1.conv, one part less is taken. A layer without a numbered part, such as a stem, is a block
// of its own; a norm or a bias belongs to the block before it. Where no weight has such a name, blocks are the stretches between points
// through which all data flows.
func findBlocks(raw *ir.Graph, ws []*Weight) []string {
	keys := make([]string, len(ws))
	named := 0
	matrices := map[string]int{}
	for i, w := range ws {
		if w.Head || w.Role == RoleTable {
			continue
		}
		keys[i] = blockKey(w.Module)
		if keys[i] != "" {
			named++
			if w.Role == RoleWeight {
				matrices[keys[i]]++
			}
		}
	}
	if named*2 < len(ws) {
		keys = cutBlocks(raw, ws)
	} else {
		mergeSingles(keys, matrices)
	}
	var names []string
	index := map[string]int{}
	before := "" // block of the weight before
	for i, w := range ws {
		k := keys[i]
		if w.Head || w.Role == RoleTable {
			continue
		}
		switch {
		case k != "":
		case before != "" && w.Role != RoleWeight && w.Role != RoleEmbedding:
			k = before
		case len(w.Module) > 0:
			k = strings.Join(w.Module, ".")
		default:
			k = w.Name
		}
		before = k
		if _, ok := index[k]; !ok {
			index[k] = len(names)
			names = append(names, k)
		}
		w.Block = index[k]
	}
	return names
}

func blockKey(module []string) string {
	if len(module) < 2 {
		return ""
	}
	inner := module[:len(module)-1] // the last part is the layer itself
	for i, p := range inner {
		if !numbered(p) {
			continue
		}
		end := i + 1
		for end < len(inner) && numbered(inner[end]) {
			end++
		}
		return strings.Join(inner[:end], ".")
	}
	return ""
}

func numbered(p string) bool { return p != "" && p[len(p)-1] >= '0' && p[len(p)-1] <= '9' }

// mergeSingles shortens the keys of sibling blocks that hold one matrix each.
func mergeSingles(keys []string, matrices map[string]int) {
	siblings := map[string][]string{} // parent -> keys
	for k := range matrices {
		if i := strings.LastIndexByte(k, '.'); i > 0 && numbered(k[:i]) {
			siblings[k[:i]] = append(siblings[k[:i]], k)
		}
	}
	shorter := map[string]string{}
	for parent, ks := range siblings {
		single := true
		for _, k := range ks {
			single = single && matrices[k] <= 1
		}
		if single {
			for _, k := range ks {
				shorter[k] = parent
			}
		}
	}
	for i, k := range keys {
		if s, ok := shorter[k]; ok {
			keys[i] = s
		}
	}
}

// cutBlocks names blocks by the structure of the graph: a cut is a node whose result is the only
// computed value that later nodes still read; every stretch between two cuts that has a matrix in it
// is a block, named by its first such layer.
func cutBlocks(raw *ir.Graph, ws []*Weight) []string {
	last := map[*ir.Value]int{}
	dynamic := map[*ir.Value]bool{} // depends on an input of the graph
	for _, v := range raw.Inputs {
		dynamic[v] = true
	}
	for i, n := range raw.Nodes {
		for _, v := range n.Inputs {
			if v != nil && dynamic[v] {
				last[v] = i
				for _, o := range n.Outputs {
					if o != nil {
						dynamic[o] = true
					}
				}
			}
		}
	}
	stretch := make(map[string]int, len(raw.Nodes)) // by node path
	open, current := map[*ir.Value]bool{}, 0
	for i, n := range raw.Nodes {
		stretch[n.Name] = current
		for _, v := range n.Inputs {
			if v != nil && last[v] == i {
				delete(open, v)
			}
		}
		for _, o := range n.Outputs {
			if o != nil && dynamic[o] && last[o] > i {
				open[o] = true
			}
		}
		if len(open) == 1 {
			current++
		}
	}
	name := map[int]string{}
	keys := make([]string, len(ws))
	at := -1
	for i, w := range ws {
		if w.Head || len(w.Nodes) == 0 {
			continue
		}
		k := stretch[w.Nodes[0]]
		if w.Role == RoleWeight || at < 0 {
			at = k // what follows a matrix (its bias, its norm) belongs to the matrix's stretch
			if name[k] == "" {
				name[k] = w.Nodes[0]
			}
		}
		keys[i] = name[at]
	}
	return keys
}
