package op

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// MaxPool(x) and AveragePool(x) reduce each window of attribute kernel_shape, with strides,
// dilations, pads and ceil_mode. Padding never wins a maximum. It counts in the divisor of an
// average if count_include_pad is set.
//
// MaxPoolGrad(dy, x, y) gives each dy to the first position of its window that equals y.
// AveragePoolGrad(dy) spreads it over the window; spatial is the spatial shape of x.
//
// MaxPoolIndices(x) is the index in x of each maximum. It counts in the flattened channels-first
// tensor, with the spatial axes in reverse order if storage_order is 1.
func init() {
	register(ir.Def{
		Name:   "MaxPool",
		Traits: ir.Traits{Cheap: true, Spatial: []int{0}, Batch: ir.BatchFirst},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			p, err := poolOf(n, 1)
			return []ir.Type{{DType: p.dtype, Shape: p.y.shape()}}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{b.Op("MaxPoolGrad", n.Attrs, dy[0], n.In(0), n.Outputs[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			p, err := poolOf(n, 1)
			if err != nil {
				return ir.Bound{}, err
			}
			return p.bind([]*image{&p.x}, &p.y, func(in [][]float32, y []float32) {
				kernel.MaxPool(y, in[0], p.pool2D(false))
			}, func(in [][]float64, y []float64) {
				p.each(func(o int, xs []int) {
					y[o] = math.Inf(-1)
					for _, i := range xs {
						y[o] = math.Max(y[o], in[0][i])
					}
				})
			}), nil
		},
		Cost: poolCost,
		ONNX: []ir.Form{
			{Op: "MaxPool", Since: 1, Lower: lowerMaxPool},
			{Op: "GlobalMaxPool", Since: 1, Lower: lowerGlobalMaxPool, Traits: &ir.Traits{Pools: true, Batch: ir.BatchFirst}},
			{Op: "MaxUnpool", Since: 9, Lower: lowerMaxUnpool},
		},
		Cases: func() []ir.Case {
			return poolCases(func(x, y tensor.Shape) []*tensor.Tensor { return []*tensor.Tensor{shuffled(x...)} })
		},
	})
	register(ir.Def{
		Name: "MaxPoolGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			p, err := poolOf(n, 3)
			return []ir.Type{{DType: p.dtype, Shape: p.x.shape()}}, err
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			p, err := poolOf(n, 3)
			if err != nil {
				return ir.Bound{}, err
			}
			return p.bind([]*image{&p.y, &p.x, &p.y}, &p.x, func(in [][]float32, dx []float32) {
				kernel.MaxPoolGrad(dx, in[0], in[1], in[2], p.pool2D(false))
			}, func(in [][]float64, dx []float64) {
				clear(dx)
				p.each(func(o int, xs []int) {
					for _, i := range xs {
						if in[1][i] == in[2][o] {
							dx[i] += in[0][o]
							break
						}
					}
				})
			}), nil
		},
		Cost: poolCost,
		Cases: func() []ir.Case {
			return poolCases(func(x, y tensor.Shape) []*tensor.Tensor {
				return []*tensor.Tensor{random(y...), tensor.New(tensor.Float32, x...), tensor.New(tensor.Float32, y...)}
			})
		},
	})
	register(ir.Def{
		Name: "MaxPoolIndices",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			p, err := poolOf(n, 1)
			return []ir.Type{{DType: tensor.Int64, Shape: p.y.shape()}}, err
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			p, err := poolOf(n, 1)
			if err != nil {
				return ir.Bound{}, err
			}
			reversed := n.Attrs.Bool("storage_order")
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				x, y := in[0].Float64s(), out[0].I64()
				p.each(func(o int, xs []int) {
					best := xs[0]
					for _, i := range xs {
						if x[i] > x[best] {
							best = i
						}
					}
					y[o] = p.index(best, reversed)
				})
				return nil
			}}, nil
		},
		Cost: poolCost,
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "by hand", Attrs: ir.Attrs{"kernel_shape": []int{2, 2}, "strides": []int{1, 2}},
					Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 9, 4, 5, 6, 7, 8, 3, 1, 0, 2}, 1, 1, 3, 4)},
					Want:   []*tensor.Tensor{tensor.Of([]int64{5, 2, 5, 7}, 1, 1, 2, 2)}},
				{Name: "column major", Attrs: ir.Attrs{"kernel_shape": []int{2, 2}, "strides": []int{1, 2}, "storage_order": 1},
					Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 9, 4, 5, 6, 7, 8, 3, 1, 0, 2}, 1, 1, 3, 4)},
					Want:   []*tensor.Tensor{tensor.Of([]int64{4, 6, 4, 10}, 1, 1, 2, 2)}},
				{Name: "channels last", Attrs: ir.Attrs{"kernel_shape": []int{2}, "layout": "NHWC"},
					Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 9, 2, 8}, 1, 2, 2)},
					Want:   []*tensor.Tensor{tensor.Of([]int64{1, 2}, 1, 1, 2)}},
			}
		},
	})
	register(ir.Def{
		Name:   "AveragePool",
		Traits: ir.Traits{Spatial: []int{0}, Batch: ir.BatchFirst},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			p, err := poolOf(n, 1)
			if err == nil {
				err = floats(n, 0)
			}
			return []ir.Type{{DType: p.dtype, Shape: p.y.shape()}}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			p, err := poolOf(n, 1)
			if err != nil {
				b.Fail(err)
				return nil
			}
			return []*ir.Value{b.Op("AveragePoolGrad", n.Attrs.With("spatial", []int(p.x.spatial)), dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			p, err := poolOf(n, 1)
			if err != nil {
				return ir.Bound{}, err
			}
			pad := n.Attrs.Bool("count_include_pad")
			return p.bind([]*image{&p.x}, &p.y, func(in [][]float32, y []float32) {
				kernel.AvgPool(y, in[0], p.pool2D(pad))
			}, func(in [][]float64, y []float64) {
				p.each(func(o int, xs []int) {
					y[o] = 0
					for _, i := range xs {
						y[o] += in[0][i] / p.divisor(o, len(xs), pad)
					}
				})
			}), nil
		},
		Cost: poolCost,
		ONNX: []ir.Form{
			{Op: "AveragePool", Since: 1, Lower: lowerAveragePool},
			{Op: "LpPool", Since: 1, Until: 1, Attrs: map[string]ir.AttrType{"p": ir.AttrFloat}, Lower: lowerLpPool},
			{Op: "LpPool", Since: 2, Lower: lowerLpPool},
			{Op: "GlobalLpPool", Since: 1, Until: 1, Attrs: map[string]ir.AttrType{"p": ir.AttrFloat}, Lower: lowerGlobalLpPool},
			{Op: "GlobalLpPool", Since: 2, Lower: lowerGlobalLpPool},
		},
		Cases: func() []ir.Case {
			return poolCases(func(x, y tensor.Shape) []*tensor.Tensor { return []*tensor.Tensor{random(x...)} })
		},
	})
	register(ir.Def{
		Name: "AveragePoolGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			p, err := poolOf(n, 1)
			return []ir.Type{{DType: p.dtype, Shape: p.x.shape()}}, err
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			p, err := poolOf(n, 1)
			if err != nil {
				return ir.Bound{}, err
			}
			pad := n.Attrs.Bool("count_include_pad")
			return p.bind([]*image{&p.y}, &p.x, func(in [][]float32, dx []float32) {
				kernel.AvgPoolGrad(dx, in[0], p.pool2D(pad))
			}, func(in [][]float64, dx []float64) {
				clear(dx)
				p.each(func(o int, xs []int) {
					for _, i := range xs {
						dx[i] += in[0][o] / p.divisor(o, len(xs), pad)
					}
				})
			}), nil
		},
		Cost: poolCost,
		Cases: func() []ir.Case {
			return poolCases(func(x, y tensor.Shape) []*tensor.Tensor {
				return []*tensor.Tensor{random(y...)}
			})
		},
	})
}

// pool is the geometry of a pooling.
type pool struct {
	dtype tensor.DType
	x, y  image
	w     window
}

// poolOf reads the geometry of a pooling or of its gradient, a node with the given number of
// inputs.
func poolOf(n *ir.Node, ins int) (p pool, err error) {
	if err = inputs(n, ins, ins); err != nil {
		return p, err
	}
	p.dtype = n.In(0).Type.DType
	if p.dtype == tensor.Bool {
		return p, errorf("bool has no maximum")
	}
	k := n.Attrs.Ints("kernel_shape")
	if len(k) == 0 {
		return p, errorf("kernel_shape is missing")
	}
	if p.w, err = windowOf(n.Attrs, k); err != nil {
		return p, err
	}
	for i := range k {
		if p.w.pads[i] >= p.w.span(i) || p.w.pads[len(k)+i] >= p.w.span(i)+p.w.strides[i] {
			return p, errorf("pads %v leave windows of %v empty", p.w.pads, k)
		}
	}
	first, err := imageOf(n, n.In(0).Type.Shape)
	if err != nil {
		return p, err
	}
	p.x, p.y = first, first
	switch n.Op {
	case "MaxPoolGrad":
		if p.x, err = imageOf(n, n.In(1).Type.Shape); err != nil {
			return p, err
		}
		if !n.In(2).Type.Shape.Equal(n.In(0).Type.Shape) {
			return p, errorf("output is %v, its gradient %v", n.In(2).Type.Shape, n.In(0).Type.Shape)
		}
	case "AveragePoolGrad":
		p.x.spatial = n.Attrs.Ints("spatial")
	}
	out, err := p.w.out(p.x.spatial, n.Attrs.Bool("ceil_mode"))
	if err != nil {
		return p, err
	}
	if ins == 1 && n.Op != "AveragePoolGrad" {
		p.y.spatial = out
	} else if !out.Equal(p.y.spatial) || p.x.n != p.y.n || p.x.c != p.y.c {
		return p, errorf("gradient %v does not fit input %v", p.y.shape(), p.x.shape())
	}
	return p, nil
}

func poolCost(n *ir.Node) ir.Cost {
	k := int64(tensor.Shape(n.Attrs.Ints("kernel_shape")).Len())
	small := n.Outputs[0].Type.Shape.Len()
	if s := n.In(0).Type.Shape.Len(); s < small {
		small = s
	}
	return ir.Cost{FLOPs: k * int64(small), Bytes: bytesMoved(n)}
}

// pool2D is the kernel's form of a pooling over one or two axes.
func (p pool) pool2D(countPad bool) kernel.Pool2D {
	w, x, y := p.w.flat(), flat(p.x.spatial), flat(p.y.spatial)
	return kernel.Pool2D{
		N: p.x.n, H: x[0], W: x[1], C: p.x.c, OutH: y[0], OutW: y[1],
		KH: w.kernel[0], KW: w.kernel[1], StrideH: w.strides[0], StrideW: w.strides[1],
		PadTop: w.pads[0], PadLeft: w.pads[1], PadBottom: w.pads[2], PadRight: w.pads[3],
		DilationH: w.dilations[0], DilationW: w.dilations[1], CountPad: countPad,
	}
}

// bind uses the kernel for float32 over one or two axes, the definition for the rest.
func (p pool) bind(in []*image, out *image, fast func(in [][]float32, out []float32), slow func(in [][]float64, out []float64)) ir.Bound {
	if p.dtype == tensor.Float32 && len(p.w.kernel) <= 2 {
		return images{p.x.last, in, []*image{out}}.bind(func(in, out [][]float32) error {
			fast(in, out[0])
			return nil
		})
	}
	return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
		xs := make([][]float64, len(in))
		for i, t := range in {
			xs[i] = t.Float64s()
		}
		y := make([]float64, out[0].Len())
		slow(xs, y)
		fromFloat64(out[0], y)
		return nil
	}}
}

// each calls f for each output with the inputs in its window.
func (p pool) each(f func(o int, xs []int)) {
	taps := p.w.taps(p.x.spatial, p.y.spatial)
	var xs []int
	for n := range p.x.n {
		for c := range p.x.c {
			for i := 0; i < len(taps); {
				o := taps[i].out
				xs = xs[:0]
				for ; i < len(taps) && taps[i].out == o; i++ {
					xs = append(xs, p.x.at(n, c, taps[i].in))
				}
				f(p.y.at(n, c, o), xs)
			}
		}
	}
}

// divisor is what the average at output o, with inside positions of its window inside x, divides
// by.
func (p pool) divisor(o, inside int, countPad bool) float64 {
	if !countPad {
		return float64(inside)
	}
	pos := o % p.y.size()
	if p.y.last {
		pos = o / p.y.c % p.y.size()
	}
	idx := make([]int, len(p.y.spatial))
	unravel(idx, pos, p.y.spatial)
	count := 1
	for i, d := range p.x.spatial {
		taps := 0
		for k := range p.w.kernel[i] {
			if idx[i]*p.w.strides[i]+k*p.w.dilations[i]-p.w.pads[i] < d+p.w.pads[len(idx)+i] {
				taps++
			}
		}
		count *= taps
	}
	return float64(count)
}

// index is the position in the flattened channels-first tensor of element i of x.
func (p pool) index(i int, reversed bool) int64 {
	size := p.x.size()
	n, c, pos := i/(p.x.c*size), i/size%p.x.c, i%size
	if p.x.last {
		c, pos = i%p.x.c, i/p.x.c%size
	}
	if reversed {
		idx := make([]int, len(p.x.spatial))
		unravel(idx, pos, p.x.spatial)
		pos = 0
		for a := len(idx) - 1; a >= 0; a-- {
			pos = pos*p.x.spatial[a] + idx[a]
		}
	}
	return int64((n*p.x.c+c)*size + pos)
}

// poolAttrs brings the attributes of an ONNX pooling to this package's.
func poolAttrs(n *ir.Node) (ir.Attrs, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	k, x := n.Attrs.Ints("kernel_shape"), n.In(0).Type.Shape
	if len(k) == 0 || len(x) != len(k)+2 {
		return nil, errorf("kernel_shape %v does not fit input %v", k, x)
	}
	a, err := windowAttrs(n, k, x[2:])
	if err != nil {
		return nil, err
	}
	a["kernel_shape"] = k
	if n.Attrs.Bool("ceil_mode") {
		a["ceil_mode"] = 1
	}
	return a, nil
}

func lowerMaxPool(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	a, err := poolAttrs(n)
	if err != nil {
		return nil, err
	}
	out := []*ir.Value{b.Op("MaxPool", a, n.In(0))}
	if len(n.Outputs) > 1 && n.Outputs[1] != nil {
		out = append(out, b.Op("MaxPoolIndices", a.With("storage_order", n.Attrs.Int("storage_order", 0)), n.In(0)))
	}
	return out, nil
}

func lowerGlobalMaxPool(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0).Type.Shape
	if len(x) < 3 {
		return nil, errorf("input %v has no spatial axis", x)
	}
	return []*ir.Value{b.Op("MaxPool", ir.Attrs{"kernel_shape": []int(x[2:])}, n.In(0))}, nil
}

func lowerAveragePool(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	a, err := poolAttrs(n)
	if err != nil {
		return nil, err
	}
	if n.Attrs.Bool("count_include_pad") {
		a["count_include_pad"] = 1
	}
	return []*ir.Value{b.Op("AveragePool", a, n.In(0))}, nil
}

// lowerLpPool writes the p-norm of each window as the root of the mean power times the window's
// size.
func lowerLpPool(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	a, err := poolAttrs(n)
	if err != nil {
		return nil, err
	}
	w, err := windowOf(a, a.Ints("kernel_shape"))
	if err != nil {
		return nil, err
	}
	if a.Bool("ceil_mode") { // padding up to the end of the last window makes every window count in full
		in := n.In(0).Type.Shape[2:]
		out, err := w.out(in, true)
		if err != nil {
			return nil, err
		}
		w.pads = slices.Clone(w.pads)
		for i, d := range in {
			end := (out[i]-1)*w.strides[i] + w.span(i) - w.pads[i] - d
			w.pads[len(in)+i] = max(w.pads[len(in)+i], end)
		}
		a = w.attrs()
		a["kernel_shape"] = w.kernel
	}
	a["count_include_pad"] = 1
	x := n.In(0)
	dt := x.Type.DType
	p := power(n)
	x = b.Op("Pow", nil, b.Op("Abs", nil, x), scalar(b, dt, p))
	x = b.Op("Mul", nil, b.Op("AveragePool", a, x), scalar(b, dt, float64(tensor.Shape(w.kernel).Len())))
	return []*ir.Value{b.Op("Pow", nil, x, scalar(b, dt, 1/p))}, nil
}

// power reads the attribute p, a float in version 1.
func power(n *ir.Node) float64 {
	if n.Version == 1 {
		return fattr(n.Attrs, "p", 2)
	}
	return float64(n.Attrs.Int("p", 2))
}

// lowerGlobalLpPool writes the p-norm over the spatial axes.
func lowerGlobalLpPool(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	x := n.In(0)
	dt, p := x.Type.DType, power(n)
	var axes []int
	for i := 2; i < len(x.Type.Shape); i++ {
		axes = append(axes, i)
	}
	sum := reduceTo(b, "ReduceSum", b.Op("Pow", nil, b.Op("Abs", nil, x), scalar(b, dt, p)), axes...)
	return []*ir.Value{b.Op("Pow", nil, sum, scalar(b, dt, 1/p))}, nil
}

// shuffled returns an input of distinct values, far enough apart for finite differences at a
// maximum.
func shuffled(shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	x := t.F32()
	for i := range x {
		x[i] = float32(i*7919%1009)/100 - 5
	}
	return t
}

// poolCases are the poolings that the tests run, in both layouts.
func poolCases(f func(x, y tensor.Shape) []*tensor.Tensor) (cs []ir.Case) {
	for _, t := range []struct {
		name  string
		x, y  tensor.Shape // channels first
		attrs ir.Attrs
	}{
		{"2x2", tensor.Shape{2, 3, 4, 6}, tensor.Shape{2, 3, 2, 3}, ir.Attrs{"kernel_shape": []int{2, 2}, "strides": []int{2, 2}}},
		{"overlap", tensor.Shape{1, 3, 7, 7}, tensor.Shape{1, 3, 4, 4}, ir.Attrs{"kernel_shape": []int{3, 3}, "strides": []int{2, 2}, "pads": []int{1, 1, 1, 1}}},
		{"count pads", tensor.Shape{1, 2, 5, 5}, tensor.Shape{1, 2, 3, 3}, ir.Attrs{"kernel_shape": []int{3, 3}, "strides": []int{2, 2}, "pads": []int{1, 1, 1, 1}, "count_include_pad": 1}},
		{"ceil", tensor.Shape{1, 2, 6, 5}, tensor.Shape{1, 2, 3, 3}, ir.Attrs{"kernel_shape": []int{3, 2}, "strides": []int{2, 2}, "ceil_mode": 1}},
		{"ceil count pads", tensor.Shape{1, 1, 6, 6}, tensor.Shape{1, 1, 4, 4}, ir.Attrs{"kernel_shape": []int{3, 3}, "strides": []int{2, 2}, "pads": []int{1, 1, 1, 1}, "ceil_mode": 1, "count_include_pad": 1}},
		{"dilated", tensor.Shape{1, 2, 6, 6}, tensor.Shape{1, 2, 4, 2}, ir.Attrs{"kernel_shape": []int{2, 3}, "dilations": []int{2, 2}}},
		{"one axis", tensor.Shape{2, 3, 8}, tensor.Shape{2, 3, 4}, ir.Attrs{"kernel_shape": []int{3}, "strides": []int{2}, "pads": []int{1, 0}}},
		{"three axes", tensor.Shape{1, 2, 3, 4, 3}, tensor.Shape{1, 2, 2, 2, 2}, ir.Attrs{"kernel_shape": []int{2, 2, 2}, "strides": []int{1, 2, 1}}},
	} {
		cs = append(cs, bothLayouts(t.name, t.attrs.With("spatial", []int(t.x[2:])), func(_ ir.Attrs, s func(...int) []int) ir.Case {
			return ir.Case{Inputs: f(s(t.x...), s(t.y...))}
		})...)
	}
	return cs
}

// lowerMaxUnpool puts each value where MaxPoolIndices says it came from, in a tensor of zeros.
// Indices count in the shape that follows from the window; a larger output_shape adds zeros at the
// ends.
func lowerMaxUnpool(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	x, index := n.In(0), n.In(1)
	k, s := n.Attrs.Ints("kernel_shape"), x.Type.Shape
	if len(s) != len(k)+2 || !index.Type.Shape.Equal(s) {
		return nil, errorf("kernel_shape %v, input %v and indices %v do not fit", k, s, index.Type.Shape)
	}
	w, err := windowOf(n.Attrs, k)
	if err != nil {
		return nil, err
	}
	size := s.Clone()
	for i := range k {
		size[i+2] = (s[i+2]-1)*w.strides[i] - w.pads[i] - w.pads[len(k)+i] + k[i]
	}
	zeros := b.Const(tensor.New(x.Type.DType, size.Len()))
	y := b.Op("ScatterElements", ir.Attrs{"axis": 0}, zeros, reshapeTo(b, index, s.Len()), reshapeTo(b, x, s.Len()))
	y = reshape(b, y, size)
	want, err := constInts(n, 2, "output_shape")
	if err != nil {
		return nil, err
	}
	for i, d := range want {
		if i >= len(size) || d < size[i] {
			return nil, errorf("output_shape %v does not hold %v", want, size)
		}
		if d == size[i] {
			continue
		}
		rest := size.Clone()
		rest[i] = d - size[i]
		y = b.Op("Concat", ir.Attrs{"axis": i}, y, b.Const(tensor.New(x.Type.DType, rest...)))
		size[i] = d
	}
	return []*ir.Value{y}, nil
}
