package exec

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// A pass rewrites a graph into one that computes the same outputs.
type pass struct {
	name string
	why  string // why it stands where it stands
	run  func(*ir.Graph) error
}

// passes is the compiler: they run from top to bottom, once.
var passes = []pass{
	{"fold", "constants first, so that later passes see contents instead of arithmetic", Fold},
	{"prune", "drops what folding left without a reader", func(g *ir.Graph) error { g.Prune(); return nil }},
}

// optimise runs the pass table.
func optimise(g *ir.Graph) error {
	for _, p := range passes {
		if err := p.run(g); err != nil {
			return fmt.Errorf("exec: pass %s: %w", p.name, err)
		}
	}
	return nil
}
