package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ONNX operators that are other operators in a row.
func init() {
	ir.RegisterForms(
		ir.Form{Op: "DepthToSpace", Since: 1, Traits: &ir.Traits{Batch: ir.BatchFirst}, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			x, k, err := blockOf(n)
			if err != nil {
				return nil, err
			}
			c := x[1] / (k * k)
			if c*k*k != x[1] {
				return nil, errorf("%d channels do not split in blocks of %d x %d", x[1], k, k)
			}
			// [N, k, k, C', H, W] in mode DCR, [N, C', k, k, H, W] in mode CRD -> [N, C', H, k, W,
			// k].
			split, perm := tensor.Shape{x[0], k, k, c, x[2], x[3]}, []int{0, 3, 4, 1, 5, 2}
			if n.Attrs.Str("mode", "DCR") == "CRD" {
				split, perm = tensor.Shape{x[0], c, k, k, x[2], x[3]}, []int{0, 1, 4, 2, 5, 3}
			}
			y := transpose(b, reshape(b, n.In(0), split), perm...)
			return b.Ops("Reshape", ir.Attrs{"shape": []int{x[0], c, x[2] * k, x[3] * k}}, y), b.Err()
		}},
		ir.Form{Op: "SpaceToDepth", Since: 1, Traits: &ir.Traits{Batch: ir.BatchFirst}, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			x, k, err := blockOf(n)
			if err != nil {
				return nil, err
			}
			h, w := x[2]/k, x[3]/k
			if h*k != x[2] || w*k != x[3] {
				return nil, errorf("%v does not split in blocks of %d x %d", x, k, k)
			}
			y := transpose(b, reshape(b, n.In(0), tensor.Shape{x[0], x[1], h, k, w, k}), 0, 3, 5, 1, 2, 4)
			if n.Attrs.Str("mode", "DCR") == "CRD" {
				y = transpose(b, reshape(b, n.In(0), tensor.Shape{x[0], x[1], h, k, w, k}), 0, 1, 3, 5, 2, 4)
			}
			return b.Ops("Reshape", ir.Attrs{"shape": []int{x[0], x[1] * k * k, h, w}}, y), b.Err()
		}},
		ir.Form{Op: "EyeLike", Since: 9, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			if len(x.Shape) != 2 {
				return nil, errorf("%v is no matrix", x)
			}
			dt := x.DType
			if n.Attrs.Has("dtype") {
				var err error
				if dt, err = onnxType(n.Attrs.Int("dtype", 1)); err != nil {
					return nil, errorf("%w", err)
				}
			}
			v := make([]float64, x.Shape.Len())
			for i := range x.Shape[0] {
				if j := i + n.Attrs.Int("k", 0); j >= 0 && j < x.Shape[1] {
					v[i*x.Shape[1]+j] = 1
				}
			}
			eye := tensor.New(dt, x.Shape...)
			fromFloat64(eye, v)
			return []*ir.Value{b.Const(eye)}, nil
		}},
		ir.Form{Op: "CenterCropPad", Since: 18, Lower: lowerCenterCropPad},
		ir.Form{Op: "ReverseSequence", Since: 10, Lower: lowerReverseSequence},
	)
}

// blockOf reads what DepthToSpace and SpaceToDepth share.
func blockOf(n *ir.Node) (tensor.Shape, int, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, 0, err
	}
	x, k := n.In(0).Type.Shape, n.Attrs.Int("blocksize", 0)
	if len(x) != 4 || k < 1 {
		return nil, 0, errorf("blocks of %d in %v", k, x)
	}
	return x, k, nil
}

// lowerCenterCropPad cuts or pads each axis to its new size, half of it on each side, the odd
// element at the end.
func lowerCenterCropPad(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	x := n.In(0).Type.Shape
	sizes, err := constInts(n, 1, "the shape")
	if err != nil {
		return nil, err
	}
	axes, err := allAxes(n.Attrs.Ints("axes"), len(x))
	if err != nil {
		return nil, err
	}
	if len(axes) != len(sizes) {
		return nil, errorf("shape %v does not fit axes %v", sizes, axes)
	}
	pads := make([]int, 2*len(x))
	for i, a := range axes {
		more := sizes[i] - x[a]
		lo := more / 2
		if more < 0 {
			lo = -(-more / 2)
		}
		pads[a], pads[len(x)+a] = lo, more-lo
	}
	return b.Ops("Pad", ir.Attrs{"pads": pads}, n.In(0)), b.Err()
}

// allAxes resolves axes in the order given; nil are all.
func allAxes(axes []int, rank int) ([]int, error) {
	if axes == nil {
		return axesOf(nil, rank)
	}
	axes = slices.Clone(axes)
	for i, a := range axes {
		var err error
		if axes[i], err = axisOf(a, rank); err != nil {
			return nil, err
		}
	}
	return axes, nil
}

// lowerReverseSequence reverses the first sequence_lens[b] elements along the time axis of example
// b. The lengths are constant; the order of elements is then a GatherElements.
func lowerReverseSequence(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 2); err != nil {
		return nil, err
	}
	x := n.In(0).Type.Shape
	lens, err := constInts(n, 1, "the order of elements")
	if err != nil {
		return nil, err
	}
	if len(x) < 2 {
		return nil, errorf("%v has no batch and time axes", x)
	}
	time, batch := n.Attrs.Int("time_axis", 0), n.Attrs.Int("batch_axis", 1)
	if time, err = axisOf(time, len(x)); err != nil {
		return nil, err
	}
	if batch, err = axisOf(batch, len(x)); err != nil {
		return nil, err
	}
	if len(lens) != x[batch] {
		return nil, errorf("%d lengths for a batch of %d", len(lens), x[batch])
	}
	index := tensor.New(tensor.Int64, x...)
	idx := make([]int, len(x))
	for i := range index.I64() {
		t := idx[time]
		if k := lens[idx[batch]]; t < k {
			t = k - 1 - t
		}
		index.I64()[i] = int64(t)
		next(idx, x)
	}
	return b.Ops("GatherElements", ir.Attrs{"axis": time}, n.In(0), b.Const(index)), b.Err()
}
