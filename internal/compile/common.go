package compile

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// common computes equal expressions once: nodes with the same operator, inputs and attributes.
func common(g *ir.Graph) error {
	seen := map[string]*ir.Node{}
	alias := map[*ir.Value]*ir.Value{}
	kept := g.Nodes[:0]
	for _, n := range g.Nodes {
		for i, v := range n.Inputs {
			if w := alias[v]; w != nil {
				n.Inputs[i] = w
			}
		}
		if n.Attrs.Bool("random") || opaque(n.Attrs) {
			kept = append(kept, n)
			continue
		}
		key := expression(n)
		if old := seen[key]; old != nil && len(old.Outputs) == len(n.Outputs) && covers(old, n) {
			for i, v := range n.Outputs {
				if v != nil {
					alias[v] = old.Outputs[i]
				}
			}
			continue
		}
		seen[key] = n
		kept = append(kept, n)
	}
	g.Nodes = kept
	for i, v := range g.Outputs {
		if w := alias[v]; w != nil {
			g.Outputs[i] = w
		}
	}
	return nil
}

// opaque reports whether attributes have contents that their text form does not show.
func opaque(a ir.Attrs) bool {
	for _, v := range a {
		switch v.(type) {
		case *tensor.Tensor, *ir.Graph:
			return true
		}
	}
	return false
}

// covers reports whether old has every output that n has.
func covers(old, n *ir.Node) bool {
	for i, v := range n.Outputs {
		if v != nil && old.Outputs[i] == nil {
			return false
		}
	}
	return true
}

func expression(n *ir.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s{%v}(", n.Op, n.Attrs)
	for _, v := range n.Inputs {
		fmt.Fprintf(&b, "%p,", v)
	}
	return b.String()
}
