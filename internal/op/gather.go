package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Gather picks slices of x along the attribute axis. With x of shape [outer,axis,inner] and indices
// of shape I, y[o,i,:] = x[o,indices[i],:] has shape [outer,I,inner]. Negative indices count from
// the end. GatherGrad(indices, dy) adds the slices of dy at their origins, in a tensor of the
// attribute shape.
func init() {
	register(ir.Def{
		Name: "Gather",
		Traits: ir.Traits{Inputs: []ir.Use{ir.UseTable, ir.UseIndex},
			// A table is read at every row's own index; slices of the rows are picked by one index
			// for all.
			Rows: func(n *ir.Node, rank int, in []int, out int) bool {
				return in[0] < 0 || in[1] < 0 && fromFront(n.Attrs.Int("axis", 0), rank) != in[0]
			},
			// Picking along one axis: nearest neighbours, shuffles, flips.
			ChannelsLast: func(n *ir.Node) (ir.Attrs, bool) {
				if ix := n.In(1); len(ix.Type.Shape) != 1 || !ix.IsConst() {
					return nil, false
				}
				return lastAxis(n)
			}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 2, 2); err != nil {
				return nil, err
			}
			x, ix := n.In(0).Type, n.In(1).Type
			axis, err := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
			if err != nil {
				return nil, err
			}
			if !ix.DType.IsInt() {
				return nil, fmt.Errorf("indices are %v, not integers", ix.DType)
			}
			if n.In(1).IsConst() {
				for _, i := range n.In(1).Data.Float64s() {
					if size := x.Shape[axis]; int(i) < -size || int(i) >= size {
						return nil, fmt.Errorf("index %d is outside an axis of size %d", int(i), size)
					}
				}
			}
			return []ir.Type{{DType: x.DType, Shape: slices.Concat(x.Shape[:axis], ix.Shape, x.Shape[axis+1:])}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			x := n.In(0).Type.Shape
			return []*ir.Value{b.Op("GatherGrad", ir.Attrs{"axis": n.Attrs.Int("axis", 0), "shape": []int(x)}, n.In(1), dy[0]), nil}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x := n.In(0).Type
			axis, _ := axisOf(n.Attrs.Int("axis", 0), len(x.Shape))
			outer, size, inner := splitAt(x.Shape, axis)
			return ir.Bound{Run: bySize(x.DType, gather[uint8](outer, size, inner), gather[uint16](outer, size, inner),
				gather[uint32](outer, size, inner), gather[uint64](outer, size, inner))}, nil
		},
		ONNX: onnx("Gather", 1),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "rows", Inputs: []*tensor.Tensor{random(4, 3), tensor.Of([]int64{1, -1, 1, 0}, 2, 2)}},
				{Name: "columns", Attrs: ir.Attrs{"axis": 1}, Inputs: []*tensor.Tensor{random(2, 5), tensor.Of([]int32{0, 3, 3})}},
				{Name: "scalar", Attrs: ir.Attrs{"axis": -2}, Inputs: []*tensor.Tensor{random(2, 3, 2), tensor.Scalar(int64(2))}},
				{Name: "shuffled channels", Attrs: ir.Attrs{"axis": 1}, Inputs: []*tensor.Tensor{random(2, 3, 4), ints64(2, 0, 1)}},
				{Name: "bool", Inputs: []*tensor.Tensor{tensor.Of([]bool{true, false}), ints64(1, 0)}, Want: []*tensor.Tensor{tensor.Of([]bool{false, true})}},
			}
		},
	})
	register(ir.Def{
		Name: "GatherGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 2, 2); err != nil {
				return nil, err
			}
			return []ir.Type{{DType: n.In(1).Type.DType, Shape: n.Attrs.Ints("shape")}}, nil
		},
		// It is linear in dy: its gradient picks the slices again.
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{nil, b.Op("Gather", ir.Attrs{"axis": n.Attrs.Int("axis", 0)}, dy[0], n.In(0))}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			y := n.Outputs[0].Type
			axis, err := axisOf(n.Attrs.Int("axis", 0), len(y.Shape))
			if err != nil {
				return ir.Bound{}, err
			}
			outer, size, inner := splitAt(y.Shape, axis)
			run, err := forFloat(y.DType, gatherGrad[float32](outer, size, inner), gatherGrad[float64](outer, size, inner))
			return ir.Bound{Run: run}, err
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "rows", Attrs: ir.Attrs{"shape": []int{4, 3}}, Inputs: []*tensor.Tensor{ints64(1, -1, 1), random(3, 3)}},
				{Name: "columns", Attrs: ir.Attrs{"axis": 1, "shape": []int{1, 3}}, Inputs: []*tensor.Tensor{ints64(2, 0, 2), tensor.Of([]float32{1, 2, 3}, 1, 3)},
					Want: []*tensor.Tensor{tensor.Of([]float32{2, 0, 4}, 1, 3)}},
			}
		},
	})
}

// indices gives index tensor t as positions in an axis of the given size; negative ones count from
// the end.
func indices(t *tensor.Tensor, size int) ([]int, error) {
	ix, err := t.Ints()
	if err != nil {
		return nil, err
	}
	for i, k := range ix {
		if k < -size || k >= size {
			return nil, fmt.Errorf("index %d is outside an axis of size %d", k, size)
		}
		if k < 0 {
			ix[i] = k + size
		}
	}
	return ix, nil
}

func gather[W word](outer, size, inner int) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := bits[W](in[0]), bits[W](out[0])
		ix, err := indices(in[1], size)
		if err != nil {
			return err
		}
		k := len(ix)
		if inner*k == 0 {
			return nil
		}
		group := max(1, copyBlock/inner)
		rows := outer * k
		kernel.Parallel((rows+group-1)/group, func(task int) {
			lo, hi := task*group, min((task+1)*group, rows)
			if inner == 1 {
				for r := lo; r < hi; r++ {
					y[r] = x[r/k*size+ix[r%k]]
				}
				return
			}
			for r := lo; r < hi; r++ {
				from := (r/k*size + ix[r%k]) * inner
				copy(y[r*inner:(r+1)*inner], x[from:from+inner])
			}
		})
		return nil
	}
}

func gatherGrad[T float](outer, size, inner int) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		dy, dx := floatData[T](in[1]), floatData[T](out[0])
		ix, err := indices(in[0], size)
		if err != nil {
			return err
		}
		clear(dx)
		for o := range outer {
			for i, k := range ix {
				from := (o*len(ix) + i) * inner
				to := (o*size + k) * inner
				y := dx[to : to+inner]
				for j, v := range dy[from : from+inner] {
					y[j] += v
				}
			}
		}
		return nil
	}
}

// floatData views the elements of a Float32 or Float64 tensor.
func floatData[T float](t *tensor.Tensor) []T {
	var x T
	if _, ok := any(x).(float32); ok {
		return any(t.F32()).([]T)
	}
	return any(f64(t)).([]T)
}
