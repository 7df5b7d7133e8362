package freeze

import (
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// findBlocks groups the weights outside the head into blocks, the repeated parts of the network, in
// order of first use. It returns the names of the blocks.
//
// The names of weights decide where they can. A block's name is the path up to the first numbered
// part, with the numbered parts that follow directly, but without the layer's own name: the block
// of layer2.0.conv1 is layer2.0, that of encoder.layers.3.mlp.0 is encoder.layers.3. Where that
// gives blocks of a single layer, as in blocks.11.1.conv, the last part is dropped. A layer without
// a numbered part, such as a stem, is a block of its own. A norm or a bias belongs to the block
// before it.
//
// Where no weight has such a name, blocks are the stretches between points through which all data
// flow.
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
	before := "" // block of the previous weight
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

// cutBlocks finds blocks by the structure of the graph. A cut is a node whose result is the only
// computed value that later nodes still read. Every stretch between two cuts that holds a matrix is
// a block, named after its first layer with a matrix.
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
			at = k // the bias and the norm after a matrix belong to its stretch
			if name[k] == "" {
				name[k] = w.Nodes[0]
			}
		}
		keys[i] = name[at]
	}
	return keys
}
