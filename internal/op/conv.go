package op

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Conv(x, w, bias, residual) is the convolution over one to three spatial axes. w has shape [K,
// C/group, kernel...] in either layout; bias [K] and residual, of the result's shape, are optional
// and added before the activation act (see fusable).
//
// ConvGradInput(dy, w, bias, residual) is its gradient with respect to x, whose spatial axes have
// the sizes of attribute spatial. It is also the transposed convolution, from dy to x.
//
// ConvGradWeight(x, dy) is its gradient with respect to w, whose spatial axes are attribute
// kernel_shape.
func init() {
	register(ir.Def{
		Name:   "Conv",
		Traits: ir.Traits{Spatial: []int{0, 3}, Batch: ir.BatchFirst, Inputs: []ir.Use{ir.UseData, ir.UseWeight, ir.UseBias}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, err := convOf(n)
			return []ir.Type{{DType: c.dtype, Shape: c.y.shape()}}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			c, err := convOf(n)
			if err != nil {
				b.Fail(err)
				return nil
			}
			if !notFused(b, n) {
				return nil
			}
			a := c.attrs(n.Attrs)
			dx := make([]*ir.Value, len(n.Inputs))
			if need[0] {
				dx[0] = b.Op("ConvGradInput", a.With("spatial", []int(c.x.spatial)), dy[0], n.In(1))
			}
			if need[1] {
				dx[1] = b.Op("ConvGradWeight", a.With("kernel_shape", c.w.kernel), n.In(0), dy[0])
			}
			if len(need) > 2 && need[2] {
				dx[2] = channelSum(b, n.Attrs, dy[0])
			}
			return dx
		},
		Bind:  bindConv,
		Cost:  convCost,
		ONNX:  []ir.Form{{Op: "Conv", Since: 1, Lower: lowerConv}},
		Cases: convCases,
	})
	register(ir.Def{
		Name:   "ConvGradInput",
		Traits: ir.Traits{Spatial: []int{0}, Batch: ir.BatchFirst, Inputs: []ir.Use{ir.UseData, ir.UseWeight, ir.UseBias}},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, err := convOf(n)
			return []ir.Type{{DType: c.dtype, Shape: c.x.shape()}}, err
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			c, err := convOf(n)
			if err != nil {
				b.Fail(err)
				return nil
			}
			if !notFused(b, n) {
				return nil
			}
			a := c.attrs(n.Attrs)
			dx := make([]*ir.Value, len(n.Inputs))
			if need[0] {
				dx[0] = b.Op("Conv", a, dy[0], n.In(1))
			}
			if need[1] {
				dx[1] = b.Op("ConvGradWeight", a.With("kernel_shape", c.w.kernel), dy[0], n.In(0))
			}
			if len(need) > 2 && need[2] {
				dx[2] = channelSum(b, n.Attrs, dy[0])
			}
			return dx
		},
		Bind:  bindConv,
		Cost:  convCost,
		ONNX:  []ir.Form{{Op: "ConvTranspose", Since: 1, Lower: lowerConvTranspose}},
		Cases: convGradInputCases,
	})
	register(ir.Def{
		Name: "ConvGradWeight",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			c, err := convOf(n)
			return []ir.Type{{DType: c.dtype, Shape: c.weightShape()}}, err
		},
		Bind:  bindConv,
		Cost:  convCost,
		Cases: convGradWeightCases,
	})
}

// conv is the geometry of a convolution or of one of its gradients.
type conv struct {
	dtype tensor.DType
	x, y  image // y is the convolution's result
	w     window
	group int

	chosenFor int // see kernel.Conv2D
}

// attrs are the attributes of another pass of the same convolution.
func (c conv) attrs(of ir.Attrs) ir.Attrs {
	a := layoutAttr(of)
	for _, k := range []string{"strides", "dilations", "pads", "group"} {
		if of.Has(k) {
			a[k] = of[k]
		}
	}
	return a
}

func (c conv) weightShape() tensor.Shape {
	return append(tensor.Shape{c.y.c, c.x.c / c.group}, c.w.kernel...)
}

// convOf reads the geometry of a Conv, ConvGradInput or ConvGradWeight.
func convOf(n *ir.Node) (c conv, err error) {
	hi := 4
	if n.Op == "ConvGradWeight" {
		hi = 2
	}
	if err = inputs(n, 2, hi); err != nil {
		return c, err
	}
	if err = floats(n, 0, 1, 2, 3); err != nil {
		return c, err
	}
	c.dtype = n.In(0).Type.DType
	c.chosenFor = n.Attrs.Int("chosen_for", 0)
	c.group = n.Attrs.Int("group", 1)
	if c.group < 1 {
		return c, errorf("group is %d", c.group)
	}
	in := n.In(0).Type.Shape
	first, err := imageOf(n, in)
	if err != nil {
		return c, err
	}
	second := n.In(1).Type.Shape
	kernel := n.Attrs.Ints("kernel_shape")
	if n.Op != "ConvGradWeight" {
		if len(second) != len(in) || len(in) < 3 {
			return c, errorf("input %v and weight %v do not fit", in, second)
		}
		kernel = second[2:]
	}
	if c.w, err = windowOf(n.Attrs, kernel); err != nil {
		return c, err
	}
	switch n.Op {
	case "Conv":
		c.x = first
		c.y = image{n: first.n, c: second[0], last: first.last}
	case "ConvGradInput":
		c.y = first
		c.x = image{n: first.n, c: second[1] * c.group, spatial: n.Attrs.Ints("spatial"), last: first.last}
		if second[0] != first.c {
			return c, errorf("input %v has %d channels, weight %v takes %d", in, first.c, second, second[0])
		}
	case "ConvGradWeight":
		c.x = first
		if c.y, err = imageOf(n, second); err != nil {
			return c, err
		}
	}
	if c.x.c%c.group != 0 || c.y.c%c.group != 0 {
		return c, errorf("group %d does not divide %d and %d channels", c.group, c.x.c, c.y.c)
	}
	if n.Op == "Conv" && second[1]*c.group != c.x.c {
		return c, errorf("input %v has %d channels, weight %v takes %d", in, c.x.c, second, second[1]*c.group)
	}
	out, err := c.w.out(c.x.spatial, false)
	if err != nil {
		return c, err
	}
	if n.Op == "Conv" {
		c.y.spatial = out
	} else if !out.Equal(c.y.spatial) || c.x.n != c.y.n {
		return c, errorf("gradient %v does not fit input of spatial shape %v", c.y.shape(), c.x.spatial)
	}
	if hi == 2 {
		return c, nil
	}
	res := c.y
	if n.Op == "ConvGradInput" {
		res = c.x
	}
	if v := n.In(2); v != nil && !v.Type.Shape.Equal(tensor.Shape{res.c}) {
		return c, errorf("bias has shape %v, not [%d]", v.Type.Shape, res.c)
	}
	if v := n.In(3); v != nil && !v.Type.Shape.Equal(res.shape()) {
		return c, errorf("residual has shape %v, result %v", v.Type.Shape, res.shape())
	}
	return c, checkAct(n.Attrs)
}

func convCost(n *ir.Node) ir.Cost {
	c, _ := convOf(n)
	return ir.Cost{
		FLOPs: 2 * int64(c.y.n*c.y.size()) * int64(c.weightShape().Len()),
		Bytes: bytesMoved(n),
	}
}

// conv2D is the kernel's form of a convolution over one or two axes.
func (c conv) conv2D() kernel.Conv2D {
	w, x := c.w.flat(), flat(c.x.spatial)
	return kernel.Conv2D{
		N: c.x.n, H: x[0], W: x[1], C: c.x.c, K: c.y.c, R: w.kernel[0], S: w.kernel[1],
		StrideH: w.strides[0], StrideW: w.strides[1], DilH: w.dilations[0], DilW: w.dilations[1],
		PadT: w.pads[0], PadL: w.pads[1], PadB: w.pads[2], PadR: w.pads[3], Groups: c.group, ChosenFor: c.chosenFor,
	}
}

func bindConv(n *ir.Node) (ir.Bound, error) {
	c, err := convOf(n)
	if err != nil {
		return ir.Bound{}, err
	}
	if c.dtype == tensor.Float32 && len(c.w.kernel) <= 2 && c.x.n*c.x.c*c.y.c*c.x.size() > 0 {
		return bindConv2D(n, c)
	}
	if c.dtype == tensor.Float32 && len(c.w.kernel) == 3 && c.x.n*c.x.c*c.y.c*c.x.size() > 0 {
		return bindConv3D(n, c)
	}
	run, err := forFloat(c.dtype, nil, convLoop(n, c))
	return ir.Bound{Run: run}, err
}

func bindConv2D(n *ir.Node, c conv) (ir.Bound, error) {
	v := c.conv2D()
	if err := v.Check(); err != nil {
		return ir.Bound{}, err
	}
	if n.Op == "ConvGradWeight" {
		return images{c.x.last, []*image{&c.x, &c.y}, []*image{nil}}.bind(func(in, out [][]float32) error {
			kernel.ConvGradWeight(v, in[0], in[1], false, out[0])
			return nil
		}), nil
	}
	pack, run, from, to := kernel.PackConv, kernel.ConvForward, &c.x, &c.y
	if n.Op == "ConvGradInput" {
		pack, run, from, to = kernel.PackConvGrad, kernel.ConvGradInput, &c.y, &c.x
	}
	fixed := n.In(1).IsConst()
	var w []float32
	if fixed {
		w = n.In(1).Data.F32()
	}
	packed := pack(v, w)
	b := images{c.x.last, []*image{from, nil, nil, to}, []*image{to}}.bind(func(in, out [][]float32) error {
		use := func() { run(v, in[0], packed, out[0], epilogue(n.Attrs, in[2], in[3])) }
		if fixed {
			use()
		} else {
			packed.Lend(in[1], use)
		}
		return nil
	})
	if fixed {
		b.Packed = []int{1}
	}
	b.Stateful = !fixed
	b.InPlace = inPlace(n, 3)
	return b, nil
}

// convLoop is a convolution pass by its definition, over any number of axes.
func convLoop(n *ir.Node, c conv) runFunc {
	taps := c.w.taps(c.x.spatial, c.y.spatial)
	cg, kg, ksize := c.x.c/c.group, c.y.c/c.group, tensor.Shape(c.w.kernel).Len()
	// each calls f with the indices of every product of an element of x and one of w, and of the
	// element of y that it is part of.
	each := func(f func(x, w, y int)) {
		for b := range c.x.n {
			for _, t := range taps {
				for k := range c.y.c {
					for i := range cg {
						f(c.x.at(b, k/kg*cg+i, t.in), (k*cg+i)*ksize+t.kernel, c.y.at(b, k, t.out))
					}
				}
			}
		}
	}
	act := act64(n.Attrs)
	return func(in, out []*tensor.Tensor, _ []byte) error {
		p, q, r := f64(in[0]), f64(in[1]), f64(out[0])
		clear(r)
		to := c.y
		switch n.Op {
		case "Conv":
			each(func(x, w, y int) { r[y] += p[x] * q[w] })
		case "ConvGradInput":
			each(func(x, w, y int) { r[x] += p[y] * q[w] })
			to = c.x
		case "ConvGradWeight":
			each(func(x, w, y int) { r[w] += p[x] * q[y] })
			return nil
		}
		if t := at(in, 2); t != nil {
			bias := f64(t)
			for b := range to.n {
				for k, v := range bias {
					for pos := range to.size() {
						r[to.at(b, k, pos)] += v
					}
				}
			}
		}
		if t := at(in, 3); t != nil {
			for i, v := range f64(t) {
				r[i] += v
			}
		}
		if act != nil {
			for i, v := range r {
				r[i] = act(v)
			}
		}
		return nil
	}
}

func lowerConv(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	x, w := n.In(0).Type.Shape, n.In(1).Type.Shape
	if len(x) < 3 || len(x) != len(w) {
		return nil, errorf("input %v and weight %v do not fit", x, w)
	}
	if k := n.Attrs.Ints("kernel_shape"); k != nil && !slices.Equal(k, w[2:]) {
		return nil, errorf("kernel_shape is %v, weight has shape %v", k, w)
	}
	a, err := windowAttrs(n, w[2:], x[2:])
	if err != nil {
		return nil, err
	}
	if g := n.Attrs.Int("group", 1); g != 1 {
		a["group"] = g
	}
	return []*ir.Value{b.Op("Conv", a, n.Inputs...)}, nil
}

// lowerConvTranspose finds the size of the result and the pads as ONNX says:
//
//	size = stride*(in-1) + output_padding + span - pads
//
// or, given output_shape or auto_pad SAME (size = in*stride), the pads from the size.
func lowerConvTranspose(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 3); err != nil {
		return nil, err
	}
	x, w := n.In(0).Type.Shape, n.In(1).Type.Shape
	if len(x) < 3 || len(x) != len(w) {
		return nil, errorf("input %v and weight %v do not fit", x, w)
	}
	in, k := x[2:], len(x)-2
	win, err := windowOf(n.Attrs, w[2:])
	if err != nil {
		return nil, err
	}
	extra := n.Attrs.Ints("output_padding")
	if extra == nil {
		extra = make([]int, k)
	}
	size := slices.Clone(n.Attrs.Ints("output_shape"))
	if len(size) == k+2 {
		size = size[2:]
	}
	mode := n.Attrs.Str("auto_pad", "NOTSET")
	same := mode == "SAME_UPPER" || mode == "SAME_LOWER"
	if mode == "VALID" {
		win.pads = make([]int, 2*k)
	}
	if size == nil && same {
		size = make([]int, k)
		for i := range size {
			size[i] = in[i] * win.strides[i]
		}
	}
	if len(extra) != k || size != nil && len(size) != k {
		return nil, errorf("output_padding %v and output_shape %v need %d values", extra, size, k)
	}
	fromSize := size != nil
	if !fromSize {
		size = make([]int, k)
	}
	for i := range k {
		full := win.strides[i]*(in[i]-1) + extra[i] + win.span(i)
		if fromSize {
			win.pads[i], win.pads[k+i] = samePads(max(full-size[i], 0), mode == "SAME_UPPER")
		} else {
			size[i] = full - win.pads[i] - win.pads[k+i]
		}
		if size[i] < 1 || size[i] > full-extra[i]+win.strides[i]-1 {
			return nil, errorf("axis %d cannot grow from %d to %d with stride %d", i, in[i], size[i], win.strides[i])
		}
	}
	a := win.attrs()
	a["spatial"] = size
	if g := n.Attrs.Int("group", 1); g != 1 {
		a["group"] = g
	}
	return []*ir.Value{b.Op("ConvGradInput", a, n.Inputs...)}, nil
}

// convShapes are the convolutions that the tests run, in both layouts.
var convShapes = []struct {
	name    string
	x, w    tensor.Shape // channels first
	attrs   ir.Attrs
	spatial tensor.Shape // of the result
}{
	{"3x3", tensor.Shape{2, 3, 5, 6}, tensor.Shape{4, 3, 3, 3}, ir.Attrs{"pads": []int{1, 1, 1, 1}}, tensor.Shape{5, 6}},
	{"stride", tensor.Shape{1, 2, 7, 8}, tensor.Shape{3, 2, 3, 3}, ir.Attrs{"pads": []int{1, 1, 1, 1}, "strides": []int{2, 2}}, tensor.Shape{4, 4}},
	{"uneven", tensor.Shape{1, 2, 7, 6}, tensor.Shape{2, 2, 2, 3}, ir.Attrs{"pads": []int{0, 2, 1, 0}, "strides": []int{3, 2}, "dilations": []int{2, 1}}, tensor.Shape{2, 3}},
	{"1x1", tensor.Shape{2, 4, 3, 3}, tensor.Shape{5, 4, 1, 1}, nil, tensor.Shape{3, 3}},
	{"1x1 stride", tensor.Shape{1, 4, 5, 5}, tensor.Shape{3, 4, 1, 1}, ir.Attrs{"strides": []int{2, 2}}, tensor.Shape{3, 3}},
	{"group", tensor.Shape{1, 4, 4, 4}, tensor.Shape{6, 2, 3, 3}, ir.Attrs{"group": 2, "pads": []int{1, 1, 1, 1}}, tensor.Shape{4, 4}},
	{"depthwise", tensor.Shape{2, 5, 6, 6}, tensor.Shape{5, 1, 3, 3}, ir.Attrs{"group": 5, "pads": []int{1, 1, 1, 1}, "strides": []int{2, 2}}, tensor.Shape{3, 3}},
	{"multiplier", tensor.Shape{1, 3, 4, 4}, tensor.Shape{6, 1, 3, 3}, ir.Attrs{"group": 3}, tensor.Shape{2, 2}},
	{"patches", tensor.Shape{1, 3, 8, 8}, tensor.Shape{5, 3, 4, 4}, ir.Attrs{"strides": []int{4, 4}}, tensor.Shape{2, 2}},
	{"one axis", tensor.Shape{2, 3, 9}, tensor.Shape{4, 3, 3}, ir.Attrs{"pads": []int{1, 1}, "strides": []int{2}}, tensor.Shape{5}},
	{"three axes", tensor.Shape{1, 2, 3, 4, 3}, tensor.Shape{2, 2, 2, 3, 2}, ir.Attrs{"pads": []int{0, 1, 0, 1, 1, 0}, "strides": []int{1, 2, 1}}, tensor.Shape{3, 2, 2}},
}

// bothLayouts makes each case in both layouts: f gets the attributes and a function that turns a
// channels-first shape into the layout.
func bothLayouts(name string, attrs ir.Attrs, f func(a ir.Attrs, s func(...int) []int) ir.Case) []ir.Case {
	first := f(attrs, func(d ...int) []int { return d })
	first.Name, first.Attrs = name+" NCHW", attrs
	nhwc := attrs.With("layout", "NHWC")
	last := f(nhwc, func(d ...int) []int { return append(append([]int{d[0]}, d[2:]...), d[1]) })
	last.Name, last.Attrs = name+" NHWC", nhwc
	return []ir.Case{first, last}
}

func convCases() (cs []ir.Case) {
	for _, t := range convShapes {
		cs = append(cs, bothLayouts(t.name, t.attrs, func(_ ir.Attrs, s func(...int) []int) ir.Case {
			return ir.Case{Inputs: []*tensor.Tensor{random(s(t.x...)...), random(t.w...), random(t.w[0])}}
		})...)
	}
	t := convShapes[0]
	y := append(tensor.Shape{t.x[0], t.w[0]}, t.spatial...)
	for name := range fusable {
		cs = append(cs, bothLayouts("residual "+name, t.attrs.With("act", name).With("act_max", float32(0.5)), func(_ ir.Attrs, s func(...int) []int) ir.Case {
			return ir.Case{Inputs: []*tensor.Tensor{random(s(t.x...)...), random(t.w...), random(t.w[0]), random(s(y...)...)}, Const: []int{0, 1, 2, 3}}
		})...)
	}
	deep := convShapes[len(convShapes)-1]
	deepY := append(tensor.Shape{deep.x[0], deep.w[0]}, deep.spatial...)
	cs = append(cs, bothLayouts("three axes residual", deep.attrs.With("act", "silu"), func(_ ir.Attrs, s func(...int) []int) ir.Case {
		return ir.Case{Inputs: []*tensor.Tensor{random(s(deep.x...)...), random(deep.w...), random(deep.w[0]), random(s(deepY...)...)}, Const: []int{0, 1, 2, 3}}
	})...)
	cs = append(cs, bothLayouts("three axes, taps of 3 by 3", ir.Attrs{"pads": []int{1, 1, 1, 1, 1, 1}}, func(_ ir.Attrs, s func(...int) []int) ir.Case {
		return ir.Case{Inputs: []*tensor.Tensor{random(s(1, 16, 3, 30, 29)...), random(16, 16, 3, 3, 3)}, Const: []int{0, 1}}
	})...)
	return append(cs, ir.Case{
		Name: "constant weight", Attrs: t.attrs, Const: []int{1},
		Inputs: []*tensor.Tensor{random(t.x...), random(t.w...)},
	}, ir.Case{
		Name: "by hand", Inputs: []*tensor.Tensor{
			tensor.Of([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 1, 3, 3), tensor.Of([]float32{1, 10, 100, 1000}, 1, 1, 2, 2), tensor.Of([]float32{0.5}, 1)},
		Want: []*tensor.Tensor{tensor.Of([]float32{5421.5, 6532.5, 8754.5, 9865.5}, 1, 1, 2, 2)},
	})
}

func convGradInputCases() (cs []ir.Case) {
	for _, t := range convShapes {
		attrs := t.attrs.With("spatial", []int(t.x[2:]))
		cs = append(cs, bothLayouts(t.name, attrs, func(_ ir.Attrs, s func(...int) []int) ir.Case {
			dy := s(append([]int{t.x[0], t.w[0]}, t.spatial...)...)
			return ir.Case{Inputs: []*tensor.Tensor{random(dy...), random(t.w...), random(t.x[1])}}
		})...)
	}
	return append(cs, ir.Case{
		Name: "by hand", Attrs: ir.Attrs{"spatial": []int{3, 3}},
		Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3, 4}, 1, 1, 2, 2), tensor.Of([]float32{1, 10, 100, 1000}, 1, 1, 2, 2)},
		Want:   []*tensor.Tensor{tensor.Of([]float32{1, 12, 20, 103, 1234, 2040, 300, 3400, 4000}, 1, 1, 3, 3)},
	})
}

func convGradWeightCases() (cs []ir.Case) {
	for _, t := range convShapes {
		attrs := t.attrs.With("kernel_shape", []int(t.w[2:]))
		cs = append(cs, bothLayouts(t.name, attrs, func(_ ir.Attrs, s func(...int) []int) ir.Case {
			dy := s(append([]int{t.x[0], t.w[0]}, t.spatial...)...)
			return ir.Case{Inputs: []*tensor.Tensor{random(s(t.x...)...), random(dy...)}}
		})...)
	}
	return append(cs, ir.Case{
		Name: "by hand", Attrs: ir.Attrs{"kernel_shape": []int{2}},
		Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3}, 1, 1, 3), tensor.Of([]float32{1, 10}, 1, 1, 2)},
		Want:   []*tensor.Tensor{tensor.Of([]float32{21, 32}, 1, 1, 2)},
	})
}
