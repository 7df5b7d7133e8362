package split

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// printedAlternatives is the number of other places that the note of a head names.
const printedAlternatives = 2

// Alternatives names the values that are worth weighing for a fresh head to read: first the one that
// it reads by default; then those that its note names; then the ends of the blocks nearest to three
// quarters, half and a quarter of the trunk. All have enough features, and no two the same. There
// may be only one.
func (n *Network) Alternatives() ([]string, error) {
	g := n.Base.Model.Graph
	found, err := choosePlaces(g, flowOf(g), n.Base.Shapes(n.Base.Two()))
	if err != nil {
		return nil, err
	}
	depths, err := n.Depths()
	if err != nil {
		return nil, err
	}
	byName := valueNames(g)
	var out []string
	var values []*ir.Value
	add := func(v *ir.Value, width int) {
		if v == nil || len(out) > 0 && width < fewFeatures || slices.ContainsFunc(values, func(u *ir.Value) bool { return sameFeatures(u, v) }) {
			return
		}
		out, values = append(out, v.Name), append(values, v)
	}
	for _, p := range found[:min(1+printedAlternatives, len(found))] {
		add(p.value, p.width)
	}
	for _, share := range []float64{0.75, 0.5, 0.25} {
		if d, ok := nearest(depths, share*float64(len(n.Set.Blocks))); ok {
			add(byName[d.Value], d.Features)
		}
	}
	return out, nil
}

// nearest is the depth with about so many blocks before it.
func nearest(depths []Depth, blocks float64) (d Depth, ok bool) {
	off := math.Inf(1)
	for _, at := range depths {
		if o := math.Abs(float64(at.Blocks) - blocks); o < off {
			d, off, ok = at, o, true
		}
	}
	return d, ok
}
