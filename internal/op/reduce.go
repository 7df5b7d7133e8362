package op

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Reductions have the attributes axes (default: all axes) and keepdims (default 1), which keeps
// reduced axes with size 1. ONNX's other reductions are built from these five.
func init() {
	reduction("ReduceSum", 13, kernel.ReduceSum, sumOf[float64], sumOf[int64], sumOf[uint64],
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value { return unreduce(b, n, dy) }, random(2, 3, 4))
	reduction("ReduceMean", 18, kernel.ReduceMean, nil, nil, nil,
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
			x := n.In(0).Type
			k := float64(x.Shape.Len()) / float64(max(1, n.Outputs[0].Type.Shape.Len()))
			return unreduce(b, n, b.Op("Mul", nil, dy, scalar(b, x.DType, 1/k)))
		}, random(2, 3, 4))
	// Equal extremes share the gradient.
	extreme := func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
		x := n.In(0)
		y := reshape(b, n.Outputs[0], keptShape(n))
		at := b.Op("Cast", ir.Attrs{"to": x.Type.DType.String()}, b.Op("Equal", nil, x, y))
		count := b.Op("ReduceSum", ir.Attrs{"axes": reduceAxes(n), "keepdims": 1}, at)
		return b.Op("Mul", nil, at, b.Op("Div", nil, reshape(b, dy, keptShape(n)), count))
	}
	reduction("ReduceMax", 18, kernel.ReduceMax, func(x, y float64) float64 { return nanMax(x, y) },
		func(x, y int64) int64 { return max(x, y) }, func(x, y uint64) uint64 { return max(x, y) }, extreme, random(2, 3, 4))
	reduction("ReduceMin", 18, kernel.ReduceMin, func(x, y float64) float64 { return nanMin(x, y) },
		func(x, y int64) int64 { return min(x, y) }, func(x, y uint64) uint64 { return min(x, y) }, extreme, random(2, 3, 4))
	reduction("ReduceProd", 18, kernel.ReduceProd, func(x, y float64) float64 { return x * y },
		func(x, y int64) int64 { return x * y }, func(x, y uint64) uint64 { return x * y },
		func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value {
			others := b.Op("ProdOfOthers", ir.Attrs{"axes": reduceAxes(n)}, n.In(0))
			return b.Op("Mul", nil, others, reshape(b, dy, keptShape(n)))
		}, random(2, 3, 4))
}

func sumOf[W widest](x, y W) W { return x + y }

// nanMax and nanMin are NaN where either number is.
func nanMax(x, y float64) float64 { return math.Max(x, y) }
func nanMin(x, y float64) float64 { return math.Min(x, y) }

// reduction registers one of the five. The axes became an input of the ONNX operator at opset
// version axesInput.
func reduction(name string, axesInput int, fast kernel.ReduceOp, f func(x, y float64) float64, i func(x, y int64) int64,
	u func(x, y uint64) uint64, grad func(b *ir.Builder, n *ir.Node, dy *ir.Value) *ir.Value, x *tensor.Tensor) {
	register(ir.Def{
		Name: name,
		Traits: ir.Traits{Reduces: true, Pools: name == "ReduceMean", Batch: ir.BatchReduced, Rows: rowsButAxes,
			ChannelsLast: func(n *ir.Node) (ir.Attrs, bool) {
				a, ok := lastAxes(n)
				slices.Sort(a.Ints("axes"))
				return a, ok && n.Attrs.Int("keepdims", 1) != 0
			}},
		Infer: inferReduce,
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{grad(b, n, dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, axes := n.In(0).Type, reduceAxes(n)
			if x.DType == tensor.Float32 {
				return reduceFast(fast, x.Shape, axes), nil
			}
			switch classOf(x.DType) {
			case classInt:
				if fast == kernel.ReduceMean {
					return ir.Bound{Run: meanWide[int64](axes)}, nil
				}
				return ir.Bound{Run: reduceWide(axes, i)}, nil
			case classUint:
				if fast == kernel.ReduceMean {
					return ir.Bound{Run: meanWide[uint64](axes)}, nil
				}
				return ir.Bound{Run: reduceWide(axes, u)}, nil
			}
			if fast == kernel.ReduceMean {
				return ir.Bound{Run: meanWide[float64](axes)}, nil
			}
			return ir.Bound{Run: reduceWide(axes, f)}, nil
		},
		Cost: func(n *ir.Node) ir.Cost {
			return ir.Cost{FLOPs: int64(n.In(0).Type.Shape.Len()), Bytes: bytesMoved(n)}
		},
		ONNX: reduceForms(name, axesInput, func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value {
			return b.Op(name, attrs, x)
		}),
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "all", Inputs: []*tensor.Tensor{x}},
				{Name: "last", Attrs: ir.Attrs{"axes": []int{-1}}, Inputs: []*tensor.Tensor{x}},
				{Name: "first", Attrs: ir.Attrs{"axes": []int{0}, "keepdims": 0}, Inputs: []*tensor.Tensor{x}},
				{Name: "middle", Attrs: ir.Attrs{"axes": []int{1}}, Inputs: []*tensor.Tensor{x}},
				{Name: "around", Attrs: ir.Attrs{"axes": []int{0, 2}, "keepdims": 0}, Inputs: []*tensor.Tensor{x}},
				{Name: "none", Attrs: ir.Attrs{"axes": []int{}}, Inputs: []*tensor.Tensor{x}},
				{Name: "int32", Attrs: ir.Attrs{"axes": []int{0}}, Inputs: []*tensor.Tensor{tensor.Of([]int32{4, 5, 6, 4, 5, 6}, 2, 3)}},
			}
		},
	})
}

func inferReduce(n *ir.Node) ([]ir.Type, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0).Type
	if _, err := axesOf(n.Attrs.Ints("axes"), len(x.Shape)); err != nil {
		return nil, err
	}
	s := keptShape(n)
	if n.Attrs.Int("keepdims", 1) == 0 {
		s = dropAxes(x.Shape, reduceAxes(n))
	}
	return []ir.Type{{DType: x.DType, Shape: s}}, nil
}

// axesOf resolves axes, sorted. Nil axes are all.
func axesOf(axes []int, rank int) ([]int, error) {
	out := []int{}
	if axes == nil {
		for i := range rank {
			out = append(out, i)
		}
		return out, nil
	}
	for _, a := range axes {
		a, err := axisOf(a, rank)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, a) {
			return nil, fmt.Errorf("axis %d is named twice", a)
		}
		out = append(out, a)
	}
	slices.Sort(out)
	return out, nil
}

// reduceAxes gives the axes that a reduction whose types were inferred reduces.
func reduceAxes(n *ir.Node) []int {
	axes, _ := axesOf(n.Attrs.Ints("axes"), len(n.In(0).Type.Shape))
	return axes
}

// keptShape is the shape of n's input with size 1 along reduced axes.
func keptShape(n *ir.Node) tensor.Shape {
	s := n.In(0).Type.Shape.Clone()
	for _, a := range reduceAxes(n) {
		s[a] = 1
	}
	return s
}

func dropAxes(s tensor.Shape, axes []int) tensor.Shape {
	out := tensor.Shape{}
	for i, d := range s {
		if !slices.Contains(axes, i) {
			out = append(out, d)
		}
	}
	return out
}

// unreduce repeats a value of the output's shape along the reduced axes.
func unreduce(b *ir.Builder, n *ir.Node, v *ir.Value) *ir.Value {
	return expandTo(b, reshape(b, v, keptShape(n)), n.In(0).Type.Shape)
}

// reduceFast reduces float32, one run of neighbouring axes after the other, starting at the last,
// in one pass each. Intermediate results are in scratch.
func reduceFast(op kernel.ReduceOp, shape tensor.Shape, axes []int) ir.Bound {
	type stage struct{ outer, axis, inner int }
	var stages []stage
	scratch := 0
	s := shape.Clone()
	for hi := len(axes); hi > 0; {
		lo := hi - 1
		for lo > 0 && axes[lo-1] == axes[lo]-1 {
			lo--
		}
		from, to := axes[lo], axes[hi-1]+1
		st := stage{s[:from].Len(), s[from:to].Len(), s[to:].Len()}
		s = append(slices.Clip(s[:from]), s[to:]...)
		stages = append(stages, st)
		if lo > 0 {
			scratch += carved(st.outer * st.inner)
		}
		hi = lo
	}
	if len(stages) == 0 {
		return ir.Bound{View: true}
	}
	return ir.Bound{Scratch: scratch, Run: func(in, out []*tensor.Tensor, scratch []byte) error {
		x := in[0].F32()
		for i, st := range stages {
			y := out[0].F32()
			if i < len(stages)-1 {
				y = carve(&scratch, st.outer*st.inner)
			}
			kernel.Reduce(op, y, x, st.outer, st.axis, st.inner)
			x = y
		}
		return nil
	}}
}

// reduceWide folds the elements along the axes with f, in order. An empty set gives f's neutral
// element, limited to the type: what f makes of the least and the greatest number, zero and one.
func reduceWide[W widest](axes []int, f func(x, y W) W) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := widen[W](in[0]), wideOut[W](out[0])
		if len(x) == 0 {
			v := neutral(in[0].DType, f)
			for i := range y {
				y[i] = v
			}
			narrow(out[0], y)
			return nil
		}
		seen := make([]bool, len(y))
		eachReduced(in[0].Shape, axes, func(i, o int) {
			if seen[o] {
				y[o] = f(y[o], x[i])
			} else {
				seen[o], y[o] = true, x[i]
			}
		})
		narrow(out[0], y)
		return nil
	}
}

// neutral finds e with f(e, x) = x among the extremes of the type, zero and one.
func neutral[W widest](dt tensor.DType, f func(x, y W) W) W {
	lo, hi := limits[W](dt)
	for _, e := range []W{0, 1, lo, hi} {
		if f(e, lo) == lo && f(e, hi) == hi && f(e, 1) == 1 {
			return e
		}
	}
	return 0
}

// limits gives the least and the greatest number of a type, infinities for floating point.
func limits[W widest](dt tensor.DType) (lo, hi W) {
	size := dt.Size() * 8
	switch p := any(&lo).(type) {
	case *float64:
		*p = math.Inf(-1)
		*any(&hi).(*float64) = math.Inf(1)
	case *int64:
		*p = -1 << (size - 1)
		*any(&hi).(*int64) = 1<<(size-1) - 1
	case *uint64:
		*any(&hi).(*uint64) = 1<<size - 1
		if dt == tensor.Bool {
			*any(&hi).(*uint64) = 1
		}
	}
	return lo, hi
}

func meanWide[W widest](axes []int) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := widen[W](in[0]), wideOut[W](out[0])
		clear(y)
		eachReduced(in[0].Shape, axes, func(i, o int) { y[o] += x[i] })
		for o := range y {
			y[o] /= W(max(1, len(x)/max(1, len(y))))
		}
		narrow(out[0], y)
		return nil
	}
}

// eachReduced calls f with the index of every element, in order, and of the element it is reduced
// to.
func eachReduced(shape tensor.Shape, axes []int, f func(i, o int)) {
	kept := shape.Clone()
	for _, a := range axes {
		kept[a] = 1
	}
	st := kept.Strides()
	for _, a := range axes {
		st[a] = 0
	}
	idx := make([]int, len(shape))
	o := 0
	for i := range shape.Len() {
		f(i, o)
		for d := len(shape) - 1; d >= 0; d-- {
			idx[d]++
			o += st[d]
			if idx[d] < shape[d] {
				break
			}
			o -= st[d] * shape[d]
			idx[d] = 0
		}
	}
}

// reduceForms are the ONNX forms of a reduction: axes is an attribute before version axesInput, an
// input from then on. build adds the reduction with static attributes.
func reduceForms(op string, axesInput int, build func(b *ir.Builder, x *ir.Value, attrs ir.Attrs) *ir.Value) []ir.Form {
	lower := func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		if err := inputs(n, 1, 2); err != nil {
			return nil, err
		}
		axes := n.Attrs.Ints("axes")
		if n.In(1) != nil {
			var err error
			if axes, err = constInts(n, 1, "the set of axes"); err != nil {
				return nil, err
			}
		}
		if len(axes) == 0 {
			axes = nil
			if n.Attrs.Bool("noop_with_empty_axes") {
				axes = []int{}
			}
		}
		axes, err := axesOf(axes, len(n.In(0).Type.Shape))
		if err != nil {
			return nil, err
		}
		attrs := ir.Attrs{"axes": axes, "keepdims": n.Attrs.Int("keepdims", 1)}
		return []*ir.Value{inFloat32(b, n.In(0), func(x *ir.Value) *ir.Value { return build(b, x, attrs) })}, b.Err()
	}
	return []ir.Form{{Op: op, Since: 1, Until: axesInput - 1, Lower: lower}, {Op: op, Since: axesInput, Lower: lower}}
}

// inFloat32 builds f of x; where x is of a half type, in float32 between conversions, so that what
// f is made of is not rounded at every step.
func inFloat32(b *ir.Builder, x *ir.Value, f func(x *ir.Value) *ir.Value) *ir.Value {
	dt := x.Type.DType
	if dt != tensor.Float16 && dt != tensor.BFloat16 {
		return f(x)
	}
	return cast(b, f(cast(b, x, tensor.Float32)), dt)
}
