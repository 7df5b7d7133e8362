package train

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// unitResults is the live region as inference, from the frontier to what each unit that trains hands on to those above it.
type unitResults struct {
	program *compile.Program
	unit    []int // of each of the program's outputs
}

// results compiles the units' results for one batch size, once. Unit says for each weight in the place of which unit it lies, of units in
// all; the last of them hands nothing on.
func (n *Network) results(batch int, unit map[string]int, units int) (*unitResults, error) {
	if r := n.handed[batch]; r != nil {
		return r, nil
	}
	g, cut, err := n.liveGraph(batch)
	if err != nil {
		return nil, err
	}
	live := make([]bool, units)
	above := make([][]*ir.Value, units) // weights of the units above each
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
	r := &unitResults{}
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
			outputs, r.unit = append(outputs, v), append(r.unit, u)
		}
	}
	sub, _ := ir.Extract(g, "results", cut, outputs)
	_, active := n.arenas()
	if r.program, err = compile.Region(sub, compile.Memory{Arena: active}); err != nil {
		return nil, err
	}
	if n.handed == nil {
		n.handed = map[int]*unitResults{}
	}
	n.handed[batch] = r
	return r, nil
}
