package split

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// wholeBatch lists the nodes of a model that take a statistic of the whole batch because the format has
// it so: those that quantise by the range of what comes. The model is meant for one example at a
// time, so the frozen region takes a batch one by one. The note says so; it is "" if there is no
// such node.
func wholeBatch(g *ir.Graph) (nodes []string, note string) {
	op := ""
	for _, n := range g.Needed() {
		if n.RawTraits().WholeBatch {
			nodes, op = append(nodes, n.Name), n.Op
		}
	}
	switch len(nodes) {
	case 0:
		return nil, ""
	case 1:
		note = fmt.Sprintf("node %q (%s) takes its scale", nodes[0], op)
	default:
		note = fmt.Sprintf("%d nodes such as %q (%s) take their scales", len(nodes), nodes[0], op)
	}
	return nodes, note + " from the whole batch: examples go through the frozen part one at a time, which gives what the file gives for a batch of 1; so must whatever else runs the tuned file"
}

// oneByOne reports whether the frozen region takes a batch of this size one by one.
func (n *Network) oneByOne(batch int) bool { return n.Base.OneByOne != nil && batch > 1 }

// oneByOneLive errors if a node that takes a statistic of the whole batch is in the live region, from
// the cut to g's outputs, which trains on whole batches.
func (n *Network) oneByOneLive(g *ir.Graph, cut []*ir.Value) error {
	live, _ := ir.Extract(g, "live", cut, g.Outputs)
	for _, m := range live.Nodes {
		for _, name := range n.Base.OneByOne {
			if m.Name == name || strings.HasPrefix(m.Name, name+"_") {
				return fmt.Errorf("node %q takes its scale from the whole batch: nothing before it can train; thaw only what comes after it, or start from the model before it was quantised", name)
			}
		}
	}
	return nil
}
