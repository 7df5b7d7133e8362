package op

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Resize of ONNX works along one axis at a time: interpolation is Resample, the nearest neighbour
// is Gather.
//
// Resample gives the axis of the attribute axis a new size: each output element is a weighted sum
// of inputs around its place. Attributes are those of Resize (mode, coordinate_transformation_mode,
// cubic_coeff_a, exclude_outside, antialias), size, scale (new to old size, as given) and roi, the
// part of the axis taken by tf_crop_and_resize. ResampleGrad, with the input's size in the
// attribute from, is its transpose.
func init() {
	attrs := func(mode string, size int, scale float32, more ir.Attrs) ir.Attrs {
		a := ir.Attrs{"axis": 1, "mode": mode, "size": size, "scale": scale}
		for k, v := range more {
			a[k] = v
		}
		return a
	}
	register(ir.Def{
		Name:   "Resample",
		Traits: ir.Traits{ChannelsLast: lastAxis},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			return resampled(n, n.Attrs.Int("size", 0))
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return []*ir.Value{b.Op("ResampleGrad", n.Attrs.With("from", n.In(0).Type.Shape[n.Attrs.Int("axis", 0)]), dy[0])}
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			x := n.In(0).Type
			axis := n.Attrs.Int("axis", 0)
			t, err := tapsOf(n.Attrs, x.Shape[axis])
			if err != nil {
				return ir.Bound{}, err
			}
			outer, size, inner := splitAt(x.Shape, axis)
			run, err := forFloat(x.DType, resample[float32](t, outer, size, inner), resample[float64](t, outer, size, inner))
			return ir.Bound{Run: run}, err
		},
		Cost: func(n *ir.Node) ir.Cost {
			return ir.Cost{FLOPs: 4 * int64(n.Outputs[0].Type.Shape.Len()), Bytes: bytesMoved(n)}
		},
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "linear", Attrs: attrs("linear", 5, 5./3, nil), Inputs: []*tensor.Tensor{random(2, 3, 4)}},
				{Name: "cubic", Attrs: attrs("cubic", 8, 2, nil), Inputs: []*tensor.Tensor{random(2, 4)}},
				{Name: "cubic inside", Attrs: attrs("cubic", 8, 2, ir.Attrs{"exclude_outside": 1}), Inputs: []*tensor.Tensor{random(2, 4)}},
				{Name: "antialias", Attrs: attrs("linear", 3, 0.5, ir.Attrs{"antialias": 1}), Inputs: []*tensor.Tensor{random(2, 6)}},
				{Name: "corners", Attrs: attrs("linear", 3, 1.5, ir.Attrs{"coordinate_transformation_mode": "align_corners"}), Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 3}, 1, 2)},
					Want: []*tensor.Tensor{tensor.Of([]float32{1, 2, 3}, 1, 3)}},
			}
		},
	})
	register(ir.Def{
		Name: "ResampleGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			return resampled(n, n.Attrs.Int("from", 0))
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			y := n.Outputs[0].Type
			axis := n.Attrs.Int("axis", 0)
			t, err := tapsOf(n.Attrs, y.Shape[axis])
			if err != nil {
				return ir.Bound{}, err
			}
			outer, size, inner := splitAt(y.Shape, axis)
			run, err := forFloat(y.DType, resampleGrad[float32](t, outer, size, inner), resampleGrad[float64](t, outer, size, inner))
			return ir.Bound{Run: run}, err
		},
		Cases: func() []ir.Case {
			return []ir.Case{{Attrs: attrs("linear", 4, 2, ir.Attrs{"from": 2}), Inputs: []*tensor.Tensor{tensor.Of([]float32{1, 1, 1, 1}, 1, 4)},
				Want: []*tensor.Tensor{tensor.Of([]float32{2, 2}, 1, 2)}}}
		},
	})
	ir.RegisterForms(
		ir.Form{Op: "Upsample", Since: 7, Until: 9, Traits: &ir.Traits{Batch: ir.BatchFirst, Inputs: []ir.Use{ir.UseData, ir.UseSetting}}, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			return lowerUpsample(b, n)
		}},
		ir.Form{Op: "Resize", Since: 10, Until: 10, Traits: &resizeTraits, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			return lowerUpsample(b, n)
		}},
		ir.Form{Op: "Resize", Since: 11, Traits: &resizeTraits, Lower: lowerResize},
	)
}

var resizeTraits = ir.Traits{Inputs: []ir.Use{ir.UseData, ir.UseSetting, ir.UseSetting, ir.UseSetting}}

func resampled(n *ir.Node, size int) ([]ir.Type, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	if err := floats(n, 0); err != nil {
		return nil, err
	}
	s := n.In(0).Type.Shape.Clone()
	axis := n.Attrs.Int("axis", 0)
	if axis < 0 || axis >= len(s) || size < 1 {
		return nil, fmt.Errorf("axis %d of %v to size %d", axis, s, size)
	}
	s[axis] = size
	return []ir.Type{{DType: n.In(0).Type.DType, Shape: s}}, nil
}

// taps are, for each of a number of outputs, the inputs it is summed from and their weights.
type taps struct {
	n      int // per output
	index  []int
	weight []float64
}

// tapsOf computes the taps along an axis of size from.
func tapsOf(a ir.Attrs, from int) (taps, error) {
	size, scale := a.Int("size", 0), float64(a.Float("scale", 0))
	antialias, exclude := a.Bool("antialias"), a.Bool("exclude_outside")
	coeff := float64(a.Float("cubic_coeff_a", -0.75))
	mode := a.Str("mode", "linear")
	// kernelAt is the interpolation kernel and reach its radius.
	kernelAt, reach := func(x float64) float64 { return max(0, 1-math.Abs(x)) }, 1.0
	switch mode {
	case "linear", "nearest":
	case "cubic":
		reach = 2
		kernelAt = func(x float64) float64 {
			x = math.Abs(x)
			switch {
			case x <= 1:
				return ((coeff+2)*x-(coeff+3))*x*x + 1
			case x < 2:
				return ((coeff*x-5*coeff)*x+8*coeff)*x - 4*coeff
			}
			return 0
		}
	default:
		return taps{}, fmt.Errorf("mode %q is unknown", mode)
	}
	stretch := 1.0
	if antialias {
		stretch = min(scale, 1)
	}
	half := int(math.Ceil(reach / stretch)) // taps on each side
	t := taps{n: 2 * half}
	if mode == "nearest" {
		t.n = 1
	}
	for o := range size {
		x, err := source(a, o, from)
		if err != nil {
			return taps{}, err
		}
		if mode == "nearest" {
			k, err := nearest(a.Str("nearest_mode", "round_prefer_floor"), x)
			if err != nil {
				return taps{}, err
			}
			t.index = append(t.index, min(max(k, 0), from-1))
			t.weight = append(t.weight, 1)
			continue
		}
		left := int(math.Ceil(x)) - 1 // the pixel left of x, strictly
		sum := 0.0
		first := len(t.weight)
		for i := left - half + 1; i <= left+half; i++ {
			w := kernelAt((float64(i) - x) * stretch)
			if exclude && (i < 0 || i >= from) {
				w = 0
			}
			sum += w
			t.index = append(t.index, min(max(i, 0), from-1))
			t.weight = append(t.weight, w)
		}
		if antialias || exclude {
			for i := first; i < len(t.weight); i++ {
				t.weight[i] /= sum
			}
		}
	}
	return t, nil
}

// source is the place along an axis of size from that output o shows.
func source(a ir.Attrs, o, from int) (float64, error) {
	x, scale, size := float64(o), float64(a.Float("scale", 0)), float64(a.Int("size", 0))
	width := scale * float64(from) // of the output, before rounding
	last := float64(from - 1)
	switch mode := a.Str("coordinate_transformation_mode", "half_pixel"); mode {
	case "half_pixel":
		return (x+0.5)/scale - 0.5, nil
	case "pytorch_half_pixel":
		if width <= 1 {
			return -0.5, nil
		}
		return (x+0.5)/scale - 0.5, nil
	case "half_pixel_symmetric":
		return float64(from)/2*(1-size/width) + (x+0.5)/scale - 0.5, nil
	case "tf_half_pixel_for_nn":
		return (x + 0.5) / scale, nil
	case "asymmetric":
		return x / scale, nil
	case "align_corners":
		if width == 1 {
			return 0, nil
		}
		return x * last / (width - 1), nil
	case "tf_crop_and_resize":
		roi := a.Floats("roi")
		if len(roi) != 2 {
			return 0, fmt.Errorf("tf_crop_and_resize without a roi")
		}
		lo, hi := float64(roi[0]), float64(roi[1])
		if width == 1 {
			return (hi-lo)*last/2 + lo*last, nil
		}
		return x*(hi-lo)*last/(width-1) + lo*last, nil
	default:
		return 0, fmt.Errorf("coordinate transformation %q is unknown", mode)
	}
}

func nearest(mode string, x float64) (int, error) {
	switch mode {
	case "round_prefer_floor":
		return int(math.Ceil(x - 0.5)), nil
	case "round_prefer_ceil":
		return int(math.Floor(x + 0.5)), nil
	case "floor":
		return int(math.Floor(x)), nil
	case "ceil":
		return int(math.Ceil(x)), nil
	}
	return 0, fmt.Errorf("nearest mode %q is unknown", mode)
}

func resample[T float](t taps, outer, size, inner int) runFunc {
	w := make([]T, len(t.weight))
	convert(w, t.weight)
	to := len(t.index) / t.n
	return func(in, out []*tensor.Tensor, _ []byte) error {
		x, y := floatData[T](in[0]), floatData[T](out[0])
		kernel.Parallel(outer, func(o int) {
			src, dst := x[o*size*inner:(o+1)*size*inner], y[o*to*inner:(o+1)*to*inner]
			clear(dst)
			for j := range to {
				row := dst[j*inner : (j+1)*inner]
				for k := j * t.n; k < (j+1)*t.n; k++ {
					a := w[k]
					for i, v := range src[t.index[k]*inner:][:inner] {
						row[i] += a * v
					}
				}
			}
		})
		return nil
	}
}

func resampleGrad[T float](t taps, outer, size, inner int) runFunc {
	w := make([]T, len(t.weight))
	convert(w, t.weight)
	to := len(t.index) / t.n
	return func(in, out []*tensor.Tensor, _ []byte) error {
		dy, dx := floatData[T](in[0]), floatData[T](out[0])
		kernel.Parallel(outer, func(o int) {
			dst, src := dx[o*size*inner:(o+1)*size*inner], dy[o*to*inner:(o+1)*to*inner]
			clear(dst)
			for j := range to {
				row := src[j*inner : (j+1)*inner]
				for k := j * t.n; k < (j+1)*t.n; k++ {
					a := w[k]
					d := dst[t.index[k]*inner:][:inner]
					for i, v := range row {
						d[i] += a * v
					}
				}
			}
		})
		return nil
	}
}

// lowerUpsample is Upsample, and Resize of version 10: sizes by scale, places from the corner.
func lowerUpsample(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 2); err != nil {
		return nil, err
	}
	scales := n.Attrs.Floats("scales")
	if n.In(1) != nil {
		if !n.In(1).IsConst() {
			return nil, errorf("the shape depends on data: input %q is not constant", n.In(1).Name)
		}
		scales = make([]float32, n.In(1).Data.Len())
		convert(scales, n.In(1).Data.Float64s())
	}
	axes, _ := axesOf(nil, len(n.In(0).Type.Shape))
	attrs := ir.Attrs{"mode": n.Attrs.Str("mode", "nearest"), "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
	return resize(b, n, attrs, axes, scales, nil, nil)
}

// lowerResize reads roi, scales and sizes of the axes that the attribute axes names.
func lowerResize(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 4); err != nil {
		return nil, err
	}
	x := n.In(0).Type.Shape
	axes, err := allAxes(n.Attrs.Ints("axes"), len(x))
	if err != nil {
		return nil, err
	}
	given := make([][]float32, 4) // roi, scales and sizes
	for i := 1; i < 4; i++ {
		v := n.In(i)
		if v == nil {
			continue
		}
		if !v.IsConst() {
			return nil, errorf("the shape depends on data: input %q is not constant", v.Name)
		}
		given[i] = make([]float32, v.Data.Len())
		convert(given[i], v.Data.Float64s())
	}
	var sizes []int
	for _, s := range given[3] {
		sizes = append(sizes, int(s))
	}
	scales := given[2]
	if len(sizes) == len(axes) && len(axes) > 0 {
		scales = nil
		for i, a := range axes {
			scales = append(scales, float32(sizes[i])/float32(max(1, x[a])))
		}
		if policy := n.Attrs.Str("keep_aspect_ratio_policy", "stretch"); policy != "stretch" {
			s := slices.Min(scales)
			if policy == "not_smaller" {
				s = slices.Max(scales)
			}
			for i, a := range axes {
				scales[i] = s
				sizes[i] = int(float64(s)*float64(x[a]) + 0.5)
			}
		}
	}
	attrs := ir.Attrs{"mode": "nearest"}
	for _, k := range []string{"mode", "coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "exclude_outside", "antialias"} {
		if n.Attrs.Has(k) {
			attrs[k] = n.Attrs[k]
		}
	}
	return resize(b, n, attrs, axes, scales, sizes, given[1])
}

// resize builds the change of every axis. Sizes nil follow from the scales, rounded down.
func resize(b *ir.Builder, n *ir.Node, attrs ir.Attrs, axes []int, scales []float32, sizes []int, roi []float32) ([]*ir.Value, error) {
	v := n.In(0)
	dt := v.Type.DType
	if len(scales) != len(axes) {
		return nil, errorf("%d scales for %d axes", len(scales), len(axes))
	}
	crop := attrs.Str("coordinate_transformation_mode", "") == "tf_crop_and_resize"
	if crop && len(roi) != 2*len(axes) {
		return nil, errorf("%d numbers of a roi for %d axes", len(roi), len(axes))
	}
	outside := make([][]bool, len(axes)) // by axis and position
	v = b.Op("Identity", nil, v)
	for i, axis := range axes {
		from := v.Type.Shape[axis]
		if !(scales[i] > 0) || from == 0 {
			return nil, errorf("scale %g of %d elements", scales[i], from)
		}
		size := int(math.Floor(float64(scales[i]) * float64(from)))
		if sizes != nil {
			size = sizes[i]
		}
		s := v.Type.Shape.Clone()
		s[axis] = size
		if err := checkShape(s); err != nil {
			return nil, errorf("%w", err)
		}
		a := attrs.With("axis", axis).With("size", size).With("scale", scales[i])
		if crop {
			a["roi"] = []float32{roi[i], roi[len(axes)+i]}
		}
		outside[i] = make([]bool, size)
		for o := range size {
			x, err := source(a, o, from)
			if err != nil {
				return nil, errorf("%w", err)
			}
			outside[i][o] = crop && (x < 0 || x > float64(from-1))
		}
		if size == from && scales[i] == 1 && (!crop || a.Floats("roi")[0] == 0 && a.Floats("roi")[1] == 1) {
			continue
		}
		if a.Str("mode", "nearest") == "nearest" {
			t, err := tapsOf(a, from)
			if err != nil {
				return nil, errorf("%w", err)
			}
			v = b.Op("Gather", ir.Attrs{"axis": axis}, v, b.Ints(t.index...))
		} else {
			if !v.Type.DType.IsFloat() {
				v = cast(b, v, tensor.Float32)
			}
			v = b.Op("Resample", a, v)
		}
		if b.Err() != nil {
			return nil, b.Err()
		}
	}
	v = cast(b, v, dt)
	if crop {
		v = b.Op("Where", nil, b.Const(outsideMask(v.Type.Shape, axes, outside)),
			scalar(b, dt, float64(n.Attrs.Float("extrapolation_value", 0))), v)
	}
	return []*ir.Value{v}, b.Err()
}

// outsideMask is true where any axis shows a place outside the image.
func outsideMask(shape tensor.Shape, axes []int, outside [][]bool) *tensor.Tensor {
	m := tensor.New(tensor.Bool, shape...)
	idx := make([]int, len(shape))
	for i, d := 0, tensor.Data[bool](m); i < len(d); i++ {
		for k, a := range axes {
			d[i] = d[i] || outside[k][idx[a]]
		}
		next(idx, shape)
	}
	return m
}
