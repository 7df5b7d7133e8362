package split

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// FeatureParts returns the widths of the attached values that a fresh head reads. It returns one
// total width if the values cannot be told apart.
func (n *Network) FeatureParts(attached int) ([]int, error) {
	g, err := n.Graph(2)
	if err != nil {
		return nil, err
	}
	node := n.headNode(g)
	if node == nil {
		return nil, fmt.Errorf("split: the model has no fresh head")
	}
	var widths []int
	if in := Joined(node.Inputs[:1]); in != nil {
		for _, v := range in {
			widths = append(widths, v.Type.Shape[len(v.Type.Shape)-1])
		}
	}
	if attached < 2 || len(widths) != attached {
		widths = []int{n.Headed.Features}
	}
	return widths, nil
}

// Joined returns the inputs of a frontier that is a single concatenation, and nil for any other
// frontier.
func Joined(frontier []*ir.Value) []*ir.Value {
	if len(frontier) != 1 || frontier[0].Node == nil || frontier[0].Node.Op != "Concat" {
		return nil
	}
	in := frontier[0].Node.Inputs
	for i, v := range in {
		if v == nil || v.Kind != ir.Result || slices.Contains(in[:i], v) {
			return nil
		}
	}
	return in
}
