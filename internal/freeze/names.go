package freeze

import (
	"slices"
	"strings"
)

// Selectors lists the blocks and layers of a model as selectors, sorted.
func (s *Set) Selectors() []string {
	var names []string
	for _, b := range s.Blocks {
		names = append(names, b+".*")
	}
	for _, w := range s.Weights {
		if len(w.Module) > 0 {
			names = append(names, strings.Join(w.Module, ".")+".*")
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
