package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Slice takes elements starts[k], starts[k]+steps[k] and so on up to ends[k], itself excluded,
// along axes[k]. Negative positions count from the end, positions outside are cut, steps may be
// negative. The attributes axes and steps may be absent: axes from 0 on, steps of 1. PadTo is its
// gradient.
func init() {
	register(ir.Def{
		Name:   "Slice",
		Traits: ir.Traits{Part: true, Cheap: true, Rows: rowsButSlice, ChannelsLast: lastSlice},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			c, err := cuts(n.Attrs, n.In(0).Type.Shape)
			if err != nil {
				return nil, err
			}
			s := make(tensor.Shape, len(c))
			for i, k := range c {
				s[i] = k.n
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			attrs := n.Attrs.With("shape", []int(n.In(0).Type.Shape))
			return []*ir.Value{b.Op("SliceGrad", attrs, dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, y := n.In(0).Type, n.Outputs[0].Type
			if x.Equal(y) && !slices.ContainsFunc(n.Attrs.Ints("steps"), func(s int) bool { return s < 0 }) {
				return ir.Bound{View: true}, nil
			}
			c, err := cuts(n.Attrs, x.Shape)
			if err != nil {
				return ir.Bound{}, err
			}
			at, st := cutPlan(c, x.Shape)
			p := strided{dims: y.Shape, dst: y.Shape.Strides(), src: st, srcAt: at}.merged()
			move := copier(x.DType)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				move(out[0], in[0], p)
				return nil
			}}, nil
		},
		ONNX: []ir.Form{
			{Op: "Slice", Since: 1, Until: 9},
			{Op: "Slice", Since: 10, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 3, 5); err != nil {
					return nil, err
				}
				attrs := ir.Attrs{}
				for i, name := range []string{"", "starts", "ends", "axes", "steps"} {
					if i == 0 || n.In(i) == nil {
						continue
					}
					v, err := constInts(n, i, name)
					if err != nil {
						return nil, err
					}
					attrs[name] = v
				}
				return b.Ops("Slice", attrs, n.In(0)), b.Err()
			}},
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "last", Attrs: ir.Attrs{"starts": []int{1}, "ends": []int{-1}, "axes": []int{-1}}, Inputs: []*tensor.Tensor{random(2, 5)}},
				{Name: "channels", Attrs: ir.Attrs{"starts": []int{1}, "ends": []int{3}, "axes": []int{1}}, Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "steps", Attrs: ir.Attrs{"starts": []int{0, 5}, "ends": []int{9, -99}, "steps": []int{2, -2}}, Inputs: []*tensor.Tensor{random(5, 6)}},
				{Name: "none", Attrs: ir.Attrs{"starts": []int{3}, "ends": []int{2}}, Inputs: []*tensor.Tensor{random(5, 6)}},
				{Name: "all", Attrs: ir.Attrs{"starts": []int{0}, "ends": []int{5}}, Inputs: []*tensor.Tensor{random(5, 6)}},
				{Name: "backward", Attrs: ir.Attrs{"starts": []int{-1}, "ends": []int{-9}, "steps": []int{-1}}, Inputs: []*tensor.Tensor{floats32(1, 2, 3)},
					Want: []*tensor.Tensor{floats32(3, 2, 1)}},
			}
		},
	})
	register(ir.Def{
		Name: "SliceGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			s := tensor.Shape(n.Attrs.Ints("shape"))
			c, err := cuts(n.Attrs, s)
			if err != nil {
				return nil, err
			}
			for i, k := range c {
				if k.n != n.In(0).Type.Shape[i] {
					return nil, fmt.Errorf("%v is no slice of %v", n.In(0).Type.Shape, s)
				}
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: s}}, nil
		},
		// It is linear: its gradient is the slice again.
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{b.Op("Slice", n.Attrs, dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, y := n.In(0).Type, n.Outputs[0].Type
			c, err := cuts(n.Attrs, y.Shape)
			if err != nil {
				return ir.Bound{}, err
			}
			at, st := cutPlan(c, y.Shape)
			p := strided{dims: x.Shape, dst: st, src: x.Shape.Strides(), dstAt: at}.merged()
			move := copier(x.DType)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				clear(out[0].Bytes)
				move(out[0], in[0], p)
				return nil
			}}, nil
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Attrs: ir.Attrs{"starts": []int{1}, "ends": []int{3}, "steps": []int{1}, "shape": []int{4}}, Inputs: []*tensor.Tensor{floats32(5, 6)},
					Want: []*tensor.Tensor{floats32(0, 5, 6, 0)}},
			}
		},
	})
}

// slice builds elements lo to hi along an axis.
func slice(b *ir.Builder, v *ir.Value, axis, lo, hi int) *ir.Value {
	if v == nil || lo == 0 && hi == v.Type.Shape[axis] {
		return v
	}
	return b.Op("Slice", ir.Attrs{"starts": []int{lo}, "ends": []int{hi}, "axes": []int{axis}}, v)
}

// cut is what a slice takes along one axis: n elements from start, step apart.
type cut struct{ start, step, n int }

// cuts resolves the attributes of a Slice of a tensor of the given shape, one cut an axis.
func cuts(a ir.Attrs, shape tensor.Shape) ([]cut, error) {
	c := make([]cut, len(shape))
	for i, d := range shape {
		c[i] = cut{0, 1, d}
	}
	starts, ends, axes, steps := a.Ints("starts"), a.Ints("ends"), a.Ints("axes"), a.Ints("steps")
	if len(starts) != len(ends) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return nil, fmt.Errorf("starts %v, ends %v, axes %v and steps %v differ in length", starts, ends, axes, steps)
	}
	for k := range starts {
		axis := k
		if axes != nil {
			axis = axes[k]
		}
		axis, err := axisOf(axis, len(shape))
		if err != nil {
			return nil, err
		}
		step := 1
		if steps != nil {
			step = steps[k]
		}
		if step == 0 {
			return nil, fmt.Errorf("a step is 0")
		}
		d := shape[axis]
		from, to := starts[k], ends[k]
		if from < 0 {
			from += d
		}
		if to < 0 {
			to += d
		}
		if step > 0 {
			from, to = min(max(from, 0), d), min(max(to, 0), d)
			c[axis] = cut{from, step, max(0, (to-from+step-1)/step)}
		} else {
			from, to = min(max(from, 0), d-1), min(max(to, -1), d-1)
			c[axis] = cut{from, step, max(0, (from-to-step-1)/-step)}
		}
	}
	return c, nil
}

// cutPlan returns the offset of the first element in a tensor of the given shape, and the strides.
func cutPlan(c []cut, shape tensor.Shape) (at int, strides []int) {
	strides = shape.Strides()
	for i, k := range c {
		at += k.start * strides[i]
		strides[i] *= k.step
	}
	return at, strides
}

// rowsButSlice: rows stay as they are unless the slice takes a part of them.
func rowsButSlice(n *ir.Node, rank int, in []int, out int) bool {
	axes := n.Attrs.Ints("axes")
	if axes == nil { // the first ones
		return in[0] < 0 || in[0] >= len(n.Attrs.Ints("starts"))
	}
	return !slices.ContainsFunc(axes, func(a int) bool { return fromFront(a, rank) == in[0] })
}

// lastSlice gives the axes of a slice in channels-last order.
func lastSlice(n *ir.Node) (ir.Attrs, bool) {
	if len(n.Attrs.Ints("axes")) != len(n.Attrs.Ints("starts")) {
		return nil, false
	}
	return lastAxes(n)
}
