package compile

import "github.com/permafrost-ml/permafrost/internal/ir"

// Memory says where the values of a program lie and how much they may take. The zero Memory gives a
// program an arena of its own, as large as it takes.
type Memory struct {
	// Budget in bytes; 0 for no bound. Where the program's memory would pass it, cheap values are
	// computed again for the backward pass instead of being kept (see Program.Recomputed). It may
	// be passed all the same.
	Budget int

	// Arena is shared by programs that run in turn: a run of one ends the validity of what the
	// others gave out, so they must not feed each other.
	Arena *Arena
}

// Region makes a program of a static graph: it runs the passes for regions, binds every node and
// plans memory. The program owns g. It errors, naming the node, where an operator has no code for
// the types at hand.
func Region(g *ir.Graph, m Memory) (*Program, error) {
	if err := runPasses(g, regionPasses); err != nil {
		return nil, err
	}
	plan, err := planMemory(g, map[*ir.Node]ir.Bound{})
	if err != nil {
		return nil, err
	}
	var again Recomputed
	if m.Budget > 0 && plan.total() > m.Budget {
		if plan, again, err = recompute(g, plan, m.Budget); err != nil {
			return nil, err
		}
	}
	p := plan.program(g, m.Arena)
	plan.release(g)
	p.recomputed = again
	return p, nil
}
