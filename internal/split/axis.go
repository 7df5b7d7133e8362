package split

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// featureAxis is the axis of a raw value of a rank on which its features lie: the first behind the
// batch where a convolution or a normalisation of maps gives it, the last where a matrix product
// does, wherever transpositions move it. Where that says nothing, a sequence has them last and a
// map first.
func featureAxis(v *ir.Value, rank int) int {
	switch {
	case rank < 3:
		return rank - 1
	case rank == 3:
		return featureAxisFrom(v, rank, 2, 64)
	}
	return featureAxisFrom(v, rank, 1, 64)
}

func featureAxisFrom(v *ir.Value, rank, usual, steps int) int {
	if v == nil || v.Node == nil || steps == 0 {
		return usual
	}
	n := v.Node
	switch t := n.RawTraits(); {
	case t.Elementwise, n.Op == "Pad":
		for _, in := range n.Inputs {
			if in != nil && in.Kind == ir.Result {
				return featureAxisFrom(in, rank, usual, steps-1)
			}
		}
	case t.Batch == ir.BatchFirst, n.Op == "Conv", n.Op == "BatchNormalization":
		return 1
	case t.Linear && weightBehind(n.In(1)) != nil, n.Op == "LayerNormalization":
		return rank - 1
	case n.Op == "Transpose":
		perm, _ := n.Attrs["perm"].([]int)
		if a := slices.Index(perm, featureAxisFrom(n.In(0), rank, usual, steps-1)); len(perm) == rank && a > 0 {
			return a
		}
	}
	return usual
}

// canonical brings the features of a value to where pooling takes them: last in a sequence, first
// behind the batch in a map.
func (b *rawBuilder) canonical(v *ir.Value, t ir.Type) (*ir.Value, ir.Type) {
	rank := len(t.Shape)
	if rank < 3 || t.Shape[1:].Len() == slices.Max(t.Shape[1:]) { // one vector, in whatever shape
		return v, t
	}
	from, to := featureAxis(v, rank), 1
	if rank == 3 {
		to = 2
	}
	if from == to {
		return v, t
	}
	perm := make([]int, 0, rank)
	for i := range rank {
		if i != from {
			perm = append(perm, i)
		}
	}
	perm = slices.Insert(perm, to, from)
	shape := make(tensor.Shape, rank)
	for i, p := range perm {
		shape[i] = t.Shape[p]
	}
	v = b.node("Transpose", fmt.Sprintf("axes%d", len(b.h.New)), ir.Attrs{"perm": perm}, v)
	return v, ir.Type{DType: t.DType, Shape: shape}
}
