package onnx

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// composes lists the operators that put together the parts of a setting.
var composes = map[string]bool{"Concat": true, "Slice": true, "Gather": true}

// role says where a tensor is used, directly or through operators that pass it on unchanged.
type role uint8

const (
	setting role = 1 << iota // as an input that sets a shape or parameter
	layer                    // in a weight slot
	// as an operand of arithmetic, which is a weight slot if it has several elements
	operand
	// as a table from which rows are gathered, which is a weight slot if it has rows
	embedding
	// as the left operand of a Gemm, which is a weight slot if it is an initializer
	left
)

// roles finds what every value of g is used for, and counts its uses. It goes from the last node to
// the first, so that the use of a node's output is known before its inputs are examined.
func roles(g *ir.Graph, of map[*ir.Value]role, uses map[*ir.Value]int) {
	for _, v := range g.Outputs {
		uses[v]++
	}
	for _, n := range slices.Backward(g.Nodes) {
		for _, s := range n.Attrs.Graphs() {
			roles(s, of, uses)
		}
		var after role
		if len(n.Outputs) > 0 && n.Outputs[0] != nil {
			after = of[n.Outputs[0]]
		}
		for i, v := range n.Inputs {
			if v == nil {
				continue
			}
			uses[v]++
			r := roleAt(n, i)
			if i == 0 && n.RawTraits().HandsOn {
				r |= after
			}
			if composes[n.Op] {
				r |= after & setting
			}
			of[v] |= r
		}
	}
}

// params decides which tensors of the main graph are parameters, by the rule in the package
// comment. It marks their values and lists them.
func (r *reader) params(g *ir.Graph) []*Param {
	of, uses := map[*ir.Value]role{}, map[*ir.Value]int{}
	roles(g, of, uses)
	var ps []*Param
	for _, c := range r.consts {
		v := c.value
		if uses[v] == 0 || !c.isParam(of[v]) {
			continue
		}
		v.Kind = ir.Param
		ps = append(ps, &Param{Name: v.Name, Value: v, Tensor: v.Data, Uses: uses[v],
			Initializer: c.init, Node: c.node, External: c.ext})
	}
	slices.SortFunc(ps, func(a, b *Param) int {
		if (a.Initializer < 0) != (b.Initializer < 0) {
			return cmp.Compare(b.Initializer, a.Initializer) // initializers first
		}
		return cmp.Or(cmp.Compare(a.Initializer, b.Initializer), cmp.Compare(a.Node, b.Node))
	})
	return ps
}

func (c *constant) isParam(r role) bool {
	t := c.value.Type
	if !t.DType.IsFloat() || t.Shape.Len() == 0 || r&setting != 0 {
		return false
	}
	many := len(t.Shape) >= 1 && t.Shape.Len() > 1
	return many && (c.init >= 0 || r&operand != 0) ||
		r&layer != 0 ||
		r&embedding != 0 && len(t.Shape) >= 2 ||
		r&left != 0 && c.init >= 0
}

// roleAt returns what input i of n is used for.
func roleAt(n *ir.Node, i int) role {
	switch n.RawTraits().Use(i) {
	case ir.UseData, ir.UseIndex:
		return 0
	case ir.UseSetting:
		return setting
	case ir.UseTerm, ir.UseFactor:
		return operand
	case ir.UseTable:
		return embedding
	case ir.UseLeft:
		return left
	}
	return layer
}
