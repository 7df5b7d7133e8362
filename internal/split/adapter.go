package split

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// clone returns a copy whose graph can be changed independently.
func (h *Headed) clone() *Headed {
	isNew := map[string]bool{}
	for _, n := range h.New {
		isNew[n.Name] = true
	}
	c := *h
	c.Graph, _ = ir.Clone(h.Graph)
	c.New = nil
	for _, n := range c.Graph.Nodes {
		if isNew[n.Name] {
			c.New = append(c.New, n)
		}
	}
	return &c
}

// AdapterNotes tell the user which layers have an adapter.
func (h *Headed) AdapterNotes() []string {
	if h.Adapters == nil {
		return nil
	}
	a := h.Adapters
	notes := []string{fmt.Sprintf("%d layers have an adapter", a.Layers)}
	if n := len(a.Skipped); n > 0 {
		notes = append(notes, fmt.Sprintf("%d of the layers named have none, the first: %s", n, a.Skipped[0]))
	}
	if h.bare != nil {
		notes = append(notes, "adapters are merged into the weights in the end: verify will name these as changed")
	}
	return notes
}
