package split

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// dropUnknown takes outputs that need an operator which is not supported out of a graph, as long as
// another output is left: a fit needs one. It returns a note, "" where all can be computed.
func dropUnknown(g *ir.Graph) string {
	var known []*ir.Value
	var notes []string
	for _, v := range g.Outputs {
		alone := ir.Graph{Nodes: g.Nodes, Outputs: []*ir.Value{v}}
		at := slices.IndexFunc(alone.Needed(), func(n *ir.Node) bool {
			_, _, err := ir.FindForm(n.Domain, n.Op, n.Version)
			return err != nil
		})
		if at < 0 {
			known = append(known, v)
			continue
		}
		n := alone.Needed()[at]
		notes = append(notes, fmt.Sprintf("output %q (it needs operator %s)", v.Name, strings.TrimPrefix(n.Domain+"."+n.Op, ".")))
	}
	if len(known) == 0 || notes == nil {
		return ""
	}
	g.Outputs = known
	return "not computed, as an operator is not supported: " + strings.Join(notes, ", ")
}
