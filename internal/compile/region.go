package compile

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/ondisk"
)

// Memory says where a program's values are stored and how much memory they may take. With the zero
// Memory, a program has its own arena, of any size.
type Memory struct {
	// Budget in bytes; 0 for no limit. If the program needs more, it recomputes cheap values for
	// the backward pass instead of keeping them (see Program.Recomputed). It may still exceed the
	// budget. The largest values are recomputed without a budget too where that takes next to no time.
	Budget int

	// Arena is shared by programs that run in turn. A run of one program invalidates the outputs of
	// the others. To feed one program's outputs to another, copy them with Program.Detach.
	Arena *Arena

	// Constants are shared with other programs of the same model; nil does not share.
	Constants *Constants
}

// Region makes a program of a static graph: it runs the passes for regions, binds every node and
// plans memory. The program owns g. It errors, naming the node, if an operator has no code for its
// types.
func Region(g *ir.Graph, m Memory) (*Program, error) {
	c := m.Constants
	if c == nil {
		c = new(Constants)
	}
	if err := runPasses(g, regionPasses(c)); err != nil {
		return nil, err
	}
	ondisk.Release() // what folding read
	plan, err := planMemory(g, map[*ir.Node]ir.Bound{})
	if err != nil {
		return nil, err
	}
	plan, again, err := recompute(g, plan, m.Budget)
	if err != nil {
		return nil, err
	}
	p := plan.program(g, m.Arena)
	p.recomputed = again
	return p, nil
}
