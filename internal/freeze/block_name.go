package freeze

import (
	"fmt"
	"slices"
	"strings"
)

// blockNames names blocks after the path that their layers have in common, up to a number, where no
// layer of another block lies below it; else after their first layer.
func blockNames(blocks []*segment) []string {
	below := map[string]map[int]bool{} // blocks with a weight below a path
	for i, s := range blocks {
		for _, w := range s.layers {
			for k := range w.Module {
				path := strings.Join(w.Module[:k+1], ".")
				if below[path] == nil {
					below[path] = map[int]bool{}
				}
				below[path][i] = true
			}
		}
	}
	alone := func(path []string) bool { return len(path) > 0 && len(below[strings.Join(path, ".")]) == 1 }
	var names []string
	for _, s := range blocks {
		layers := s.layers
		if len(layers) == 0 {
			layers = s.weights
		}
		path := commonPath(layers)
		if !alone(path) {
			path = layers[0].Module
		}
		if short := numberedPart(path, layers); alone(short) {
			path = short
		}
		name := strings.Join(path, ".")
		if !alone(path) {
			name = layers[0].Name
			if len(layers[0].Nodes) > 0 {
				name = layers[0].Nodes[0]
			}
		}
		for k, base := 2, name; slices.Contains(names, name); k++ {
			name = fmt.Sprintf("%s_%d", base, k)
		}
		names = append(names, name)
	}
	return names
}

// numberedPart is a path up to the first numbered part and those that follow it directly, without
// the layer's own name: layer2.0 of layer2.0.conv1. It is nil where no part is numbered.
func numberedPart(path []string, layers []*Weight) []string {
	if slices.Equal(path, layers[0].Module) {
		path = path[:max(0, len(path)-1)]
	}
	numbered := func(p string) bool { return p != "" && p[len(p)-1] >= '0' && p[len(p)-1] <= '9' }
	for i, p := range path {
		if !numbered(p) {
			continue
		}
		end := i + 1
		for end < len(path) && numbered(path[end]) {
			end++
		}
		return path[:end]
	}
	return nil
}

// commonPath is the longest path that all layers lie below.
func commonPath(ws []*Weight) []string {
	common := ws[0].Module
	for _, w := range ws[1:] {
		k := 0
		for k < len(common) && k < len(w.Module) && common[k] == w.Module[k] {
			k++
		}
		common = common[:k]
	}
	return common
}
