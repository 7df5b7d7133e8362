package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Pad adds pads[i] elements before and pads[rank+i] after axis i, or removes elements if they are
// negative. Modes: constant (value in the optional scalar input 1, zero by default), edge, reflect
// (mirror without the edge) and wrap. PadGrad is the gradient of the modes that repeat elements.
func init() {
	register(ir.Def{
		Name: "Pad",
		Traits: ir.Traits{Cheap: true, Batch: ir.BatchFirst, Inputs: []ir.Use{ir.UseData, ir.UseData, ir.UseSetting},
			ChannelsLast: lastPads, Identity: padsNothing},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 2); err != nil {
				return nil, err
			}
			x := n.In(0).Type
			if v := n.In(1); v != nil && (v.Type.DType != x.DType || v.Type.Shape.Len() != 1) {
				return nil, fmt.Errorf("pads %v with %v", x, v.Type)
			}
			s, err := paddedShape(x.Shape, n.Attrs)
			if err != nil {
				return nil, err
			}
			return []ir.Type{{DType: x.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			x := n.In(0).Type
			pads := n.Attrs.Ints("pads")
			dx := make([]*ir.Value, len(n.Inputs))
			if padMode(n.Attrs) != "constant" {
				dx[0] = b.Op("PadGrad", n.Attrs.With("shape", []int(x.Shape)), dy[0])
				return dx
			}
			undo := make([]int, len(pads))
			for i, p := range pads {
				undo[i] = -p
			}
			inside := b.Op("Pad", ir.Attrs{"pads": undo}, dy[0])
			if need[0] {
				dx[0] = inside
			}
			if len(need) > 1 && need[1] {
				outside := b.Op("Pad", ir.Attrs{"pads": pads}, inside)
				rest := b.Op("Sub", nil, dy[0], outside)
				dx[1] = reshape(b, b.Op("ReduceSum", ir.Attrs{"keepdims": 0}, rest), n.In(1).Type.Shape)
			}
			return dx
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x, y := n.In(0).Type, n.Outputs[0].Type
			if !slices.ContainsFunc(n.Attrs.Ints("pads"), func(p int) bool { return p != 0 }) {
				return ir.Bound{View: true}, nil
			}
			if padMode(n.Attrs) == "constant" {
				p := padPlan(x.Shape, n.Attrs.Ints("pads"))
				move := copier(x.DType)
				return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
					var v *tensor.Tensor
					if len(in) > 1 {
						v = in[1]
					}
					fillTensor(out[0], v)
					move(out[0], in[0], p)
					return nil
				}}, nil
			}
			from, err := padSources(x.Shape, n.Attrs)
			if err != nil {
				return ir.Bound{}, err
			}
			return ir.Bound{Run: bySize(x.DType, padFrom[uint8](y.Shape, from), padFrom[uint16](y.Shape, from),
				padFrom[uint32](y.Shape, from), padFrom[uint64](y.Shape, from))}, nil
		},
		ONNX: []ir.Form{
			{Op: "Pad", Since: 1, Until: 10, Attrs: map[string]ir.AttrType{"value": ir.AttrFloat}, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
				if err := inputs(n, 1, 1); err != nil {
					return nil, err
				}
				pads := n.Attrs.Ints("pads")
				if pads == nil {
					pads = n.Attrs.Ints("paddings") // opset 1
				}
				attrs := ir.Attrs{"pads": pads, "mode": n.Attrs.Str("mode", "constant")}
				v := scalar(b, n.In(0).Type.DType, float64(n.Attrs.Float("value", 0)))
				return b.Ops("Pad", attrs, n.In(0), v), b.Err()
			}},
			{Op: "Pad", Since: 11, Lower: lowerPad},
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "constant", Attrs: ir.Attrs{"pads": []int{0, 1, 2, 0}}, Inputs: []*tensor.Tensor{random(2, 3), tensor.Scalar(float32(1.5))}},
				{Name: "channels", Attrs: ir.Attrs{"pads": []int{0, 1, 2, 1, 0, 0}}, Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "cut", Attrs: ir.Attrs{"pads": []int{-1, 1, 1, -2}}, Inputs: []*tensor.Tensor{random(3, 4)}},
				{Name: "cut away", Attrs: ir.Attrs{"pads": []int{-4, 5}}, Inputs: []*tensor.Tensor{floats32(1, 2, 3, 4)}, Want: []*tensor.Tensor{floats32(0, 0, 0, 0, 0)}},
				{Name: "edge", Attrs: ir.Attrs{"pads": []int{1, 2, 2, -1}, "mode": "edge"}, Inputs: []*tensor.Tensor{random(2, 3)}},
				{Name: "reflect", Attrs: ir.Attrs{"pads": []int{1, 4, 0, 3}, "mode": "reflect"}, Inputs: []*tensor.Tensor{random(2, 3)}},
				{Name: "wrap", Attrs: ir.Attrs{"pads": []int{1, 4, 0, 3}, "mode": "wrap"}, Inputs: []*tensor.Tensor{random(2, 3)}},
				{Name: "mirror by hand", Attrs: ir.Attrs{"pads": []int{2, 2}, "mode": "reflect"}, Inputs: []*tensor.Tensor{floats32(1, 2, 3)},
					Want: []*tensor.Tensor{floats32(3, 2, 1, 2, 3, 2, 1)}},
			}
		},
	})
	register(ir.Def{
		Name: "PadGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 1, 1); err != nil {
				return nil, err
			}
			x := tensor.Shape(n.Attrs.Ints("shape"))
			if s, err := paddedShape(x, n.Attrs); err != nil || !s.Equal(n.In(0).Type.Shape) {
				return nil, fmt.Errorf("%v is no padding of %v", n.In(0).Type.Shape, x)
			}
			return []ir.Type{{DType: n.In(0).Type.DType, Shape: x}}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			y, x := n.In(0).Type, n.Outputs[0].Type
			from, err := padSources(x.Shape, n.Attrs)
			if err != nil {
				return ir.Bound{}, err
			}
			run, err := forFloat(x.DType, padGrad[float32](y.Shape, from), padGrad[float64](y.Shape, from))
			return ir.Bound{Run: run}, err
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Attrs: ir.Attrs{"pads": []int{2, 1}, "mode": "edge", "shape": []int{2}}, Inputs: []*tensor.Tensor{floats32(1, 2, 3, 4, 5)},
					Want: []*tensor.Tensor{floats32(6, 9)}},
			}
		},
	})
}

func padMode(a ir.Attrs) string { return a.Str("mode", "constant") }

func paddedShape(x tensor.Shape, a ir.Attrs) (tensor.Shape, error) {
	pads := a.Ints("pads")
	if len(pads) != 2*len(x) {
		return nil, fmt.Errorf("pads %v do not fit %v", pads, x)
	}
	s := x.Clone()
	for i := range s {
		if max(pads[i], -pads[i], pads[len(x)+i], -pads[len(x)+i]) > maxElements {
			return nil, fmt.Errorf("pads %v are too large", pads)
		}
		s[i] += pads[i] + pads[len(x)+i]
		if s[i] < 0 {
			return nil, fmt.Errorf("pads %v leave nothing of %v", pads, x)
		}
		if padMode(a) != "constant" && x[i] == 0 && s[i] > 0 {
			return nil, fmt.Errorf("mode %s has nothing to repeat along axis %d of %v", padMode(a), i, x)
		}
	}
	return s, checkShape(s)
}

// padPlan copies x, or what negative pads leave of it, to its place in the output.
func padPlan(x tensor.Shape, pads []int) strided {
	y := x.Clone()
	for i := range y {
		y[i] += pads[i] + pads[len(x)+i]
	}
	p := strided{dims: make([]int, len(x)), dst: y.Strides(), src: x.Strides()}
	for i, d := range x {
		lo, hi := max(0, -pads[i]), d-max(0, -pads[len(x)+i])
		p.dims[i] = max(0, min(hi, d)-lo)
		p.srcAt += lo * p.src[i]
		p.dstAt += max(0, pads[i]) * p.dst[i]
	}
	return p.merged()
}

// padSources gives for every axis and every position along it in the output the position in x it
// repeats.
func padSources(x tensor.Shape, a ir.Attrs) ([][]int, error) {
	pads := a.Ints("pads")
	from := make([][]int, len(x))
	for i, d := range x {
		from[i] = make([]int, d+pads[i]+pads[len(x)+i])
		for o := range from[i] {
			k := o - pads[i]
			switch padMode(a) {
			case "edge":
				k = min(max(k, 0), d-1)
			case "wrap":
				k = (k%d + d) % d
			case "reflect":
				k = mirror(k, d)
			default:
				return nil, fmt.Errorf("mode %q is unknown", padMode(a))
			}
			from[i][o] = k
		}
	}
	return from, nil
}

// mirror reflects position k into [0, d) at the centres of the first and the last element.
func mirror(k, d int) int {
	if d == 1 {
		return 0
	}
	period := 2 * (d - 1)
	k = (k%period + period) % period
	return min(k, period-k)
}

func padFrom[W word](y tensor.Shape, from [][]int) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		src, dst := bits[W](in[0]), bits[W](out[0])
		eachPadded(in[0].Shape, y, from, func(o, i int) { dst[o] = src[i] })
		return nil
	}
}

func padGrad[T float](y tensor.Shape, from [][]int) runFunc {
	return func(in, out []*tensor.Tensor, _ []byte) error {
		dy, dx := floatData[T](in[0]), floatData[T](out[0])
		clear(dx)
		eachPadded(out[0].Shape, y, from, func(o, i int) { dx[i] += dy[o] })
		return nil
	}
}

// eachPadded calls f for every element o of the output, in order, with the element i of x it
// repeats.
func eachPadded(x, y tensor.Shape, from [][]int, f func(o, i int)) {
	st := x.Strides()
	idx := make([]int, len(y))
	for o := range y.Len() {
		i := 0
		for d, k := range idx {
			i += from[d][k] * st[d]
		}
		f(o, i)
		next(idx, y)
	}
}

// next counts idx up within shape, last axis first.
func next(idx []int, shape tensor.Shape) {
	for d := len(shape) - 1; d >= 0; d-- {
		if idx[d]++; idx[d] < shape[d] {
			return
		}
		idx[d] = 0
	}
}

func lowerPad(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 4); err != nil {
		return nil, err
	}
	pads, err := constInts(n, 1, "the padding")
	if err != nil {
		return nil, err
	}
	rank := len(n.In(0).Type.Shape)
	if n.In(3) != nil {
		axes, err := constInts(n, 3, "the set of axes")
		if err != nil {
			return nil, err
		}
		if len(pads) != 2*len(axes) {
			return nil, errorf("pads %v do not fit axes %v", pads, axes)
		}
		all := make([]int, 2*rank)
		for i, a := range axes {
			if a, err = axisOf(a, rank); err != nil {
				return nil, err
			}
			all[a], all[rank+a] = pads[i], pads[len(axes)+i]
		}
		pads = all
	}
	in := []*ir.Value{n.In(0)}
	if n.In(2) != nil {
		in = append(in, n.In(2))
	}
	return b.Ops("Pad", ir.Attrs{"pads": pads, "mode": padMode(n.Attrs)}, in...), b.Err()
}

// padsNothing: all paddings are 0.
func padsNothing(n *ir.Node) bool {
	return !slices.ContainsFunc(n.Attrs.Ints("pads"), func(p int) bool { return p != 0 })
}

// lastPads puts the paddings in the order of the axes channels last. A value to pad with must be a
// scalar.
func lastPads(n *ir.Node) (ir.Attrs, bool) {
	pads, rank := n.Attrs.Ints("pads"), len(n.Outputs[0].Type.Shape)
	if v := n.In(1); len(pads) != 2*rank || v != nil && v.Type.Shape.Len() != 1 {
		return nil, false
	}
	to, _ := ChannelsLast(rank)
	moved := make([]int, 2*rank)
	for i, p := range to {
		moved[i], moved[rank+i] = pads[p], pads[rank+p]
	}
	return n.Attrs.With("pads", moved), true
}
