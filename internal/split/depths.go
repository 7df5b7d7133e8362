package split

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Depth is a position between two blocks of a trunk.
type Depth struct {
	Value    string // name of the value to which a head is attached
	Blocks   int    // blocks before it
	Features int    // that a head would read there
}

// Depths lists the values at block ends that a head can read, from the input on, see readable. The
// end of the last block is left out, as the head reads it anyway.
func (n *Network) Depths() ([]Depth, error) {
	raw := n.Headed.Graph
	var found []Depth
	var values []*ir.Value
	for block := 1; block < len(n.Set.Blocks); block++ {
		if v := blockEnd(raw, n.Set, block); v != nil && (len(values) == 0 || values[len(values)-1] != v) {
			found = append(found, Depth{Value: v.Name, Blocks: block})
			values = append(values, v)
		}
	}
	read, err := n.Base.readable(raw, values)
	if err != nil {
		return nil, err
	}
	var out []Depth
	for i, width := range read {
		if found[i].Features = width; width > 0 {
			out = append(out, found[i])
		}
	}
	return out, nil
}

// readable gives the numbers of features that a head would read of values: 0 where it cannot. They
// are floating point, have the examples on the first axis, and have a number of features that does
// not depend on the example's length. This last rule excludes masks. Values may be nil, which no
// head can read.
func (b *Base) readable(raw *ir.Graph, values []*ir.Value) ([]int, error) {
	widths := make([]int, len(values))
	some := slices.DeleteFunc(slices.Clone(values), func(v *ir.Value) bool { return v == nil })
	if len(some) == 0 {
		return widths, nil
	}
	types, err := TypesOf(raw, some, b.Shapes(2))
	if err != nil {
		return nil, err
	}
	longer := types
	if f := b.form; f != nil {
		if longer, err = TypesOf(raw, some, f.Shapes(2, f.Bucket(b.Length()+1))); err != nil {
			return nil, err
		}
	}
	k := 0
	for i, v := range values {
		if v == nil {
			continue
		}
		sh, long := types[k].Shape, longer[k].Shape
		if len(sh) <= 2 || len(long) != len(sh) || sh[2:].Equal(long[2:]) {
			widths[i] = featuresOf(v, &ir.Value{Type: types[k]}, 2)
		}
		k++
	}
	return widths, nil
}

// blockEnd is the value that a block takes from the blocks before it. Among the computed values
// that it or later nodes still read when it begins, this is the one computed last.
func blockEnd(raw *ir.Graph, set *freeze.Set, block int) *ir.Value {
	at := map[string]int{}
	for i, n := range raw.Nodes {
		at[n.Name] = i
	}
	begin := len(raw.Nodes)
	for _, w := range set.Weights {
		if w.Block == block && len(w.Nodes) > 0 {
			begin = min(begin, at[w.Nodes[0]])
		}
	}
	dynamic := map[*ir.Value]bool{}
	for _, v := range raw.Inputs {
		dynamic[v] = true
	}
	var last *ir.Value
	for i, n := range raw.Nodes {
		depends := false
		for _, v := range n.Inputs {
			depends = depends || v != nil && dynamic[v]
			if i >= begin && v != nil && dynamic[v] && v.Node != nil && at[v.Node.Name] < begin && (last == nil || at[v.Node.Name] > at[last.Node.Name]) {
				last = v
			}
		}
		if depends {
			for _, v := range n.Outputs {
				if v != nil {
					dynamic[v] = true
				}
			}
		}
	}
	return last
}

// AttachedTo names the value of what is left of the model that a fresh head reads by default, ""
// where there is none.
func (n *Network) AttachedTo() string {
	g := n.Base.Model.Graph
	if s := n.Headed.short; s != nil {
		if s.End != "" {
			return s.End
		}
		g = s.Graph
	}
	found, err := choosePlaces(g, flowOf(g), n.Base.Shapes(n.Base.Two()))
	if err != nil {
		return ""
	}
	return found[0].value.Name
}
