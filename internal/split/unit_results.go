package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// UnitResults is the live region as inference, from the frontier to the output that each unit that
// trains passes to later units.
type UnitResults struct {
	Program *compile.Program
	Unit    []int // the unit of each program output
}

// UnitResults compiles the outputs of the units for one batch size, once. unit maps each weight's
// name to the index of its unit, of units in all. The last unit passes nothing on.
func (n *Network) UnitResults(batch int, unit map[string]int, units int) (*UnitResults, error) {
	if r := n.handed[batch]; r != nil {
		return r, nil
	}
	g, cut, err := n.LiveGraph(batch)
	if err != nil {
		return nil, err
	}
	live := make([]bool, units)
	above := make([][]*ir.Value, units) // weights of the units after each
	for _, p := range n.thawed(g) {
		if p == nil {
			continue
		}
		u := unit[p.Name]
		live[u] = true
		for k := range u {
			above[k] = append(above[k], p)
		}
	}
	r := &UnitResults{}
	var outputs []*ir.Value
	for u := range units - 1 {
		if !live[u] || len(above[u]) == 0 {
			continue
		}
		for _, v := range grad.Frontier(g, above[u]) {
			s := v.Type.Shape
			if v.Kind != ir.Result || slices.Contains(cut, v) || v.Type.DType != tensor.Float32 || len(s) == 0 || s[0]%batch != 0 {
				continue
			}
			outputs, r.Unit = append(outputs, v), append(r.Unit, u)
		}
	}
	sub, _ := ir.Extract(g, "results", cut, outputs)
	if r.Program, err = n.region(sub, 0); err != nil {
		return nil, err
	}
	if n.handed == nil {
		n.handed = map[int]*UnitResults{}
	}
	n.handed[batch] = r
	return r, nil
}
