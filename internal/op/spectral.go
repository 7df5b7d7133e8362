package op

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Spectral operators become constants and matrix products, which train like any other.
func init() {
	window := func(terms ...float64) func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		return func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) { return lowerWindow(b, n, terms) }
	}
	ir.RegisterForms(
		ir.Form{Op: "HannWindow", Since: 17, Lower: window(0.5, -0.5)},
		ir.Form{Op: "HammingWindow", Since: 17, Lower: window(25./46, -21./46)},
		ir.Form{Op: "BlackmanWindow", Since: 17, Lower: window(0.42, -0.5, 0.08)},
		ir.Form{Op: "DFT", Since: 17, Lower: lowerDFT},
		ir.Form{Op: "STFT", Since: 17, Lower: lowerSTFT},
		ir.Form{Op: "MelWeightMatrix", Since: 17, Lower: lowerMel},
	)
}

// lowerWindow is the sum over k of terms[k]*cos(2*pi*k*i/size), over size-1 with periodic 0.
func lowerWindow(b *ir.Builder, n *ir.Node, terms []float64) ([]*ir.Value, error) {
	if err := inputs(n, 1, 1); err != nil {
		return nil, err
	}
	size, err := constInts(n, 0, "the size of the window")
	if err != nil {
		return nil, err
	}
	dt, err := onnxType(n.Attrs.Int("output_datatype", 1))
	if err != nil {
		return nil, errorf("%w", err)
	}
	if len(size) != 1 || size[0] < 0 || size[0] > maxTransform {
		return nil, errorf("size %v", size)
	}
	v := make([]float64, size[0])
	period := float64(size[0])
	if n.Attrs.Int("periodic", 1) == 0 {
		period--
	}
	for i := range v {
		for k, c := range terms {
			v[i] += c * math.Cos(2*math.Pi*float64(k*i)/period)
		}
	}
	t := tensor.New(dt, size[0])
	fromFloat64(t, v)
	return []*ir.Value{b.Const(t)}, nil
}

// maxTransform limits the length of a transform, whose matrix has that many elements squared.
const maxTransform = 1 << 14

// lowerDFT is a discrete Fourier transform along one axis of x [..., 1 or 2], real or complex in
// the last axis.
func lowerDFT(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 1, 3); err != nil {
		return nil, err
	}
	x := n.In(0)
	rank := len(x.Type.Shape)
	axis := n.Attrs.Int("axis", 1) // an attribute before opset 20
	if n.Version >= 20 {
		axis = -2
	}
	if n.In(2) != nil {
		a, err := constInts(n, 2, "the axis")
		if err != nil {
			return nil, err
		}
		axis = a[0]
	}
	axis, err := axisOf(axis, rank)
	if err != nil {
		return nil, err
	}
	parts := x.Type.Shape[rank-1]
	if axis == rank-1 || parts != 1 && parts != 2 {
		return nil, errorf("axis %d of %v", axis, x.Type.Shape)
	}
	have := x.Type.Shape[axis]
	inverse, onesided := n.Attrs.Bool("inverse"), n.Attrs.Bool("onesided")
	size := have
	if inverse && onesided {
		size = 2 * (have - 1)
	}
	if n.In(1) != nil {
		l, err := constInts(n, 1, "the length of the transform")
		if err != nil {
			return nil, err
		}
		size = l[0]
	}
	if size < 1 || size > maxTransform {
		return nil, errorf("a transform of length %d", size)
	}
	takes := size // elements along the axis, the rest is cut or padded with zeros
	if inverse && onesided {
		takes = size/2 + 1
	}
	// [..., takes, parts] with the axis before the parts.
	perm := make([]int, 0, rank)
	for i := range rank - 1 {
		if i != axis {
			perm = append(perm, i)
		}
	}
	perm = append(perm, axis, rank-1)
	v := transpose(b, x, perm...)
	if takes < have {
		v = slice(b, v, rank-2, 0, takes)
	} else if takes > have {
		pads := make([]int, 2*rank)
		pads[2*rank-2] = takes - have
		v = b.Op("Pad", ir.Attrs{"pads": pads}, v)
	}
	if b.Err() != nil {
		return nil, b.Err()
	}
	lead := v.Type.Shape[:rank-2].Clone()
	bins := size
	if onesided && !inverse {
		bins = size/2 + 1
	}
	m := transformMatrix(size, takes, bins, parts, inverse, onesided)
	outParts := 2
	if inverse && onesided {
		outParts = 1
	}
	w := tensor.New(x.Type.DType, takes*parts, bins*outParts)
	fromFloat64(w, m)
	y := b.Op("MatMul", nil, reshape(b, v, append(lead.Clone(), takes*parts)), b.Const(w))
	y = reshape(b, y, append(lead.Clone(), bins, outParts))
	back := make([]int, rank)
	for i, p := range perm {
		back[p] = i
	}
	return b.Ops("Transpose", ir.Attrs{"perm": back}, y), b.Err()
}

// transformMatrix maps [takes, parts] numbers to [bins, 2], or to [bins] real ones for a one-sided
// inverse. There, every bin except the first and the middle also stands for its conjugate.
func transformMatrix(size, takes, bins, parts int, inverse, onesided bool) []float64 {
	outParts, sign, scale := 2, -1.0, 1.0
	if inverse {
		sign, scale = 1, 1/float64(size)
	}
	if inverse && onesided {
		outParts = 1
	}
	m := make([]float64, takes*parts*bins*outParts)
	for t := range takes {
		weight := scale
		if inverse && onesided && t > 0 && 2*t != size {
			weight *= 2
		}
		for k := range bins {
			sin, cos := math.Sincos(sign * 2 * math.Pi * float64(t*k%size) / float64(size))
			for p := range parts {
				re, im := cos, sin
				if p == 1 { // i times the same
					re, im = -sin, cos
				}
				at := (t*parts+p)*bins*outParts + k*outParts
				m[at] = weight * re
				if outParts == 2 {
					m[at+1] = weight * im
				}
			}
		}
	}
	return m
}

// lowerSTFT transforms windows of signal [N, length, 1 or 2], frame_step apart.
func lowerSTFT(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 2, 4); err != nil {
		return nil, err
	}
	x := n.In(0)
	s := x.Type.Shape
	if len(s) == 2 {
		x, s = reshape(b, x, append(s.Clone(), 1)), append(s.Clone(), 1)
	}
	if len(s) != 3 {
		return nil, errorf("%v is no batch of signals", x.Type)
	}
	step, err := constInts(n, 1, "the step of frames")
	if err != nil {
		return nil, err
	}
	window := n.In(2)
	var size int
	if window != nil {
		size = window.Type.Shape.Len()
	}
	if n.In(3) != nil {
		l, err := constInts(n, 3, "the length of frames")
		if err != nil {
			return nil, err
		}
		size = l[0]
	}
	if size < 1 || size > s[1] || size > maxTransform || step[0] < 1 || window != nil && window.Type.Shape.Len() != size {
		return nil, errorf("frames of %d, %d apart, in %v", size, step[0], x.Type)
	}
	frames := (s[1]-size)/step[0] + 1
	index := make([]int, 0, frames*size)
	for f := range frames {
		for i := range size {
			index = append(index, f*step[0]+i)
		}
	}
	bins := size
	if n.Attrs.Int("onesided", 1) != 0 {
		bins = size/2 + 1
	}
	v := b.Op("Gather", ir.Attrs{"axis": 1}, x, b.Ints(index...))
	v = reshape(b, v, tensor.Shape{s[0], frames, size, s[2]})
	if window != nil {
		v = b.Op("Mul", nil, v, reshape(b, window, tensor.Shape{size, 1}))
	}
	w := tensor.New(x.Type.DType, size*s[2], bins*2)
	fromFloat64(w, transformMatrix(size, size, bins, s[2], false, false))
	y := b.Op("MatMul", nil, reshape(b, v, tensor.Shape{s[0], frames, size * s[2]}), b.Const(w))
	return b.Ops("Reshape", ir.Attrs{"shape": []int{s[0], frames, bins, 2}}, y), b.Err()
}

// lowerMel is the matrix [bins of a spectrum, mel bands] of triangles evenly spaced on the mel
// scale.
func lowerMel(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
	if err := inputs(n, 5, 5); err != nil {
		return nil, err
	}
	var in [5]float64
	for i, v := range n.Inputs {
		if !v.IsConst() || v.Data.Len() != 1 {
			return nil, errorf("the shape depends on data: input %q is not one constant", v.Name)
		}
		in[i] = v.Data.Float64s()[0]
	}
	bands, length, rate := int(in[0]), in[1], in[2]
	dt, err := onnxType(n.Attrs.Int("output_datatype", 1))
	if err != nil {
		return nil, errorf("%w", err)
	}
	bins := int(length)/2 + 1
	if bands < 1 || bins < 1 || bands > maxTransform || bins > maxTransform {
		return nil, errorf("%d bands of %d bins", bands, bins)
	}
	mel := func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }
	lo, hi := mel(in[3]), mel(in[4])
	edge := make([]int, bands+2)
	for i := range edge {
		hz := 700 * (math.Pow(10, (lo+float64(i)*(hi-lo)/float64(bands+2))/2595) - 1)
		edge[i] = int(math.Floor((length + 1) * hz / rate))
	}
	m := make([]float64, bins*bands)
	set := func(bin, band int, v float64) {
		if bin >= 0 && bin < bins {
			m[bin*bands+band] = v
		}
	}
	for i := range bands {
		left, top, right := edge[i], edge[i+1], edge[i+2]
		if left == top {
			set(top, i, 1)
		}
		for j := left; j <= top && left < top; j++ {
			set(j, i, float64(j-left)/float64(top-left))
		}
		for j := top; j < right; j++ {
			set(j, i, float64(right-j)/float64(right-top))
		}
	}
	t := tensor.New(dt, bins, bands)
	fromFloat64(t, m)
	return []*ir.Value{b.Const(t)}, nil
}
