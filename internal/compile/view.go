package compile

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// view says where the elements of a value lie in another one, base, from which nothing but
// reshapes, transposes and slices make it.
type view struct {
	base   *ir.Value
	offset int
	axes   [][]strip // of the value, outer strips first
}

// strip is size elements, step apart. An axis consists of nested strips: of [2,3] transposed and
// reshaped to [6] it has {3 1} and in it {2 3}.
type strip struct{ size, step int }

// viewOf follows v to the first value that is computed. It stops earlier at what is no view.
func viewOf(v *ir.Value) view {
	if n := v.Node; n != nil && n.Outputs[0] == v && !slices.Contains(v.Type.Shape, 0) {
		switch n.Op {
		case "Reshape":
			x := viewOf(n.Inputs[0])
			if axes, ok := regroup(slices.Concat(x.axes...), v.Type.Shape); ok {
				return view{x.base, x.offset, axes}
			}
		case "Transpose":
			x := viewOf(n.Inputs[0])
			if perm := n.Attrs.Ints("perm"); len(perm) == len(x.axes) {
				axes := make([][]strip, len(perm))
				for i, p := range perm {
					axes[i] = x.axes[p]
				}
				return view{x.base, x.offset, axes}
			}
		case "Slice":
			x := viewOf(n.Inputs[0])
			if at, ok := x.slice(n); ok {
				return at
			}
		}
	}
	x := view{base: v}
	for i, step := range v.Type.Shape.Strides() {
		x.axes = append(x.axes, []strip{{v.Type.Shape[i], step}})
	}
	return x
}

// slice is the part of x that a Slice with steps of 1 takes.
func (x view) slice(n *ir.Node) (view, bool) {
	starts, axes := n.Attrs.Ints("starts"), n.Attrs.Ints("axes")
	if len(axes) != len(starts) || slices.ContainsFunc(n.Attrs.Ints("steps"), func(s int) bool { return s != 1 }) {
		return view{}, false
	}
	from, to := n.Inputs[0].Type.Shape, n.Outputs[0].Type.Shape
	y := view{x.base, x.offset, slices.Clone(x.axes)}
	for i, axis := range axes {
		if axis < 0 {
			axis += len(from)
		}
		at, ok := single(x.axes[axis])
		if !ok {
			return view{}, false
		}
		start := starts[i]
		if start < 0 {
			start += from[axis]
		}
		y.offset += min(max(start, 0), from[axis]) * at.step
		y.axes[axis] = []strip{{to[axis], at.step}}
	}
	return y, true
}

// merged joins strips that continue each other.
func merged(strips []strip) []strip {
	var out []strip
	for _, r := range strips {
		if r.size == 1 {
			continue
		}
		if k := len(out) - 1; k >= 0 && out[k].step == r.size*r.step {
			out[k] = strip{out[k].size * r.size, r.step}
		} else {
			out = append(out, r)
		}
	}
	return out
}

// single is the strips as one, if they are.
func single(strips []strip) (strip, bool) {
	switch strips = merged(strips); len(strips) {
	case 0:
		return strip{1, 0}, true
	case 1:
		return strips[0], true
	}
	return strip{}, false
}

// regroup divides strips into the axes of a shape with as many elements.
func regroup(strips []strip, shape tensor.Shape) ([][]strip, bool) {
	strips = merged(strips)
	axes := make([][]strip, len(shape))
	for i, left := range shape {
		for left > 1 {
			if len(strips) == 0 {
				return nil, false
			}
			switch r := strips[0]; {
			case left%r.size == 0:
				axes[i], strips, left = append(axes[i], r), strips[1:], left/r.size
			case r.size%left == 0:
				inner := r.size / left
				axes[i] = append(axes[i], strip{left, r.step * inner})
				strips = append([]strip{{inner, r.step}}, strips[1:]...)
				left = 1
			default:
				return nil, false
			}
		}
	}
	return axes, len(strips) == 0
}
