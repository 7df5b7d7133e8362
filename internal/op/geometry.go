package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func init() {
	ir.RegisterForms(
		ir.Form{Op: "AffineGrid", Since: 20, Lower: lowerAffineGrid},
		ir.Form{Op: "TensorScatter", Since: 24, Lower: lowerTensorScatter},
	)
}

// lowerAffineGrid maps the places of an image of the given size, -1 to 1 along each axis, by the
// matrices theta [N,k,k+1]: the grid that GridSample reads.
func lowerAffineGrid(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	theta := n.In(0)
	size, err := constInts(n, 1, "the size")
	if err != nil {
		return nil, err
	}
	k := len(size) - 2
	if k < 1 || !theta.Type.Shape.Equal(tensor.Shape{size[0], k, k + 1}) {
		return nil, errorf("theta %v does not fit size %v", theta.Type.Shape, size)
	}
	spatial := tensor.Shape(size[2:])
	if err := checkShape(size); err != nil || spatial.Len() > maxConstant {
		return nil, errorf("size %v is too large", size)
	}
	places := make([]float64, 0, spatial.Len()*(k+1))
	idx := make([]int, k)
	for range spatial.Len() {
		for d := k - 1; d >= 0; d-- { // the last axis comes first
			v := (2*float64(idx[d])+1)/float64(spatial[d]) - 1
			if n.Attrs.Bool("align_corners") {
				v = 0
				if spatial[d] > 1 {
					v = 2*float64(idx[d])/float64(spatial[d]-1) - 1
				} else {
					v = -1
				}
			}
			places = append(places, v)
		}
		places = append(places, 1)
		next(idx, spatial)
	}
	base := tensor.New(theta.Type.DType, spatial.Len(), k+1)
	fromFloat64(base, places)
	g := b.Op("MatMul", ir.Attrs{"transB": 1}, b.Const(base), theta)
	return b.Ops("Reshape", ir.Attrs{"shape": slices.Concat([]int{size[0]}, []int(spatial), []int{k})}, g), b.Err()
}

// lowerTensorScatter writes update into the cache along an axis, for each example from its write
// index on, in mode circular going on at the start.
func lowerTensorScatter(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	cache, update := n.In(0), n.In(1)
	s := update.Type.Shape
	axis, err := axisOf(n.Attrs.Int("axis", -2), len(s))
	if err != nil {
		return nil, err
	}
	if axis == 0 || len(cache.Type.Shape) != len(s) {
		return nil, errorf("writes %v into %v along axis %d", update.Type, cache.Type, axis)
	}
	ones := slices.Repeat(tensor.Shape{1}, len(s))
	steps := make([]int, s[axis])
	for i := range steps {
		steps[i] = i
	}
	along, batch := ones.Clone(), ones.Clone()
	along[axis], batch[0] = s[axis], s[0]
	at := reshape(b, b.Ints(steps...), along)
	if n.In(2) != nil {
		at = b.Op("Add", nil, at, reshape(b, cast(b, n.In(2), tensor.Int64), batch))
	}
	if n.Attrs.Str("mode", "linear") == "circular" {
		at = b.Op("Mod", nil, at, b.Ints(cache.Type.Shape[axis]))
	}
	return b.Ops("ScatterElements", ir.Attrs{"axis": axis}, cache, expandTo(b, at, s), update), b.Err()
}
