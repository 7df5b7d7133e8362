package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// channelsLast reads the attribute layout.
func channelsLast(a ir.Attrs) bool { return a.Str("layout", "") == "NHWC" }

// image is the shape of an image-like tensor: batch, channels, spatial axes.
type image struct {
	n, c    int
	spatial tensor.Shape
	last    bool // channels last
}

// imageOf reads a shape in the node's layout.
func imageOf(n *ir.Node, s tensor.Shape) (image, error) {
	switch l := n.Attrs.Str("layout", ""); {
	case l != "" && l != "NHWC":
		return image{}, errorf("layout %q is not NHWC", l)
	case len(s) < 2:
		return image{}, errorf("shape %v has no channel axis", s)
	case l == "NHWC":
		return image{s[0], s[len(s)-1], s[1 : len(s)-1].Clone(), true}, nil
	}
	return image{s[0], s[1], s[2:].Clone(), false}, nil
}

// size is the number of positions of one channel.
func (m image) size() int { return m.spatial.Len() }

// shape is the tensor's shape.
func (m image) shape() tensor.Shape {
	s := tensor.Shape{m.n}
	if !m.last {
		s = append(s, m.c)
	}
	s = append(s, m.spatial...)
	if m.last {
		s = append(s, m.c)
	}
	return s
}

// at is the index of an element; pos counts positions.
func (m image) at(n, c, pos int) int {
	if m.last {
		return (n*m.size()+pos)*m.c + c
	}
	return (n*m.c+c)*m.size() + pos
}

// channelAxis is the position of the channel axis among rank axes.
func channelAxis(a ir.Attrs, rank int) int {
	if channelsLast(a) {
		return rank - 1
	}
	return 1
}

// channelShape broadcasts a vector over the channels of a tensor with rank axes.
func channelShape(a ir.Attrs, rank, c int) []int {
	s := make([]int, rank)
	for i := range s {
		s[i] = 1
	}
	s[channelAxis(a, rank)] = c
	return s
}

// channelSum sums v over all axes but that of the channels.
func channelSum(b *ir.Builder, a ir.Attrs, v *ir.Value) *ir.Value {
	if v == nil {
		return nil
	}
	rank := len(v.Type.Shape)
	var axes []int
	for i := range rank {
		if i != channelAxis(a, rank) {
			axes = append(axes, i)
		}
	}
	return b.Op("ReduceSum", ir.Attrs{"axes": axes, "keepdims": 0}, v)
}

// layoutAttr is the layout of a, for a new node.
func layoutAttr(a ir.Attrs) ir.Attrs {
	if channelsLast(a) {
		return ir.Attrs{"layout": "NHWC"}
	}
	return ir.Attrs{}
}

// window is how a convolution or pooling slides over the spatial axes.
type window struct {
	kernel, strides, dilations []int
	pads                       []int // before each axis, then after each
}

// windowOf reads strides, dilations and pads, which default to 1, 1 and 0.
func windowOf(a ir.Attrs, kernel []int) (window, error) {
	k := len(kernel)
	w := window{kernel, a.Ints("strides"), a.Ints("dilations"), a.Ints("pads")}
	for _, f := range []struct {
		name string
		v    *[]int
		n    int
		def  int
		min  int
	}{{"kernel_shape", &w.kernel, k, 1, 1}, {"strides", &w.strides, k, 1, 1}, {"dilations", &w.dilations, k, 1, 1}, {"pads", &w.pads, 2 * k, 0, 0}} {
		if *f.v == nil {
			*f.v = make([]int, f.n)
			for i := range *f.v {
				(*f.v)[i] = f.def
			}
		}
		if len(*f.v) != f.n {
			return w, errorf("%s %v needs %d values", f.name, *f.v, f.n)
		}
		for _, x := range *f.v {
			if x < f.min {
				return w, errorf("%s %v has a value below %d", f.name, *f.v, f.min)
			}
		}
	}
	return w, nil
}

// span is how far a window reaches along an axis.
func (w window) span(axis int) int { return (w.kernel[axis]-1)*w.dilations[axis] + 1 }

// out is the spatial shape of the result for an input of spatial shape in. In ceil mode a last
// window that only partly fits counts too, if it starts inside of the input or the padding before
// it.
func (w window) out(in []int, ceil bool) (tensor.Shape, error) {
	k := len(w.kernel)
	if len(in) != k {
		return nil, errorf("window %v needs %d spatial axes, has %v", w.kernel, k, in)
	}
	out := make(tensor.Shape, k)
	for i, d := range in {
		room := d + w.pads[i] + w.pads[k+i] - w.span(i)
		if room < 0 {
			return nil, errorf("window of %d exceeds axis %d of %v with pads %v", w.span(i), i, in, w.pads)
		}
		out[i] = room/w.strides[i] + 1
		if ceil && room%w.strides[i] != 0 && out[i]*w.strides[i] < d+w.pads[i] {
			out[i]++
		}
	}
	return out, nil
}

// tap is one contribution of an input position to an output position through a kernel position.
type tap struct{ out, kernel, in int }

// taps lists all contributions from inside the input, ordered by output, then by kernel position.
func (w window) taps(in, out tensor.Shape) []tap {
	var ts []tap
	kshape := tensor.Shape(w.kernel)
	o, k := make([]int, len(out)), make([]int, len(out))
	for oi := range out.Len() {
		unravel(o, oi, out)
	kernel:
		for ki := range kshape.Len() {
			unravel(k, ki, kshape)
			at := 0
			for i := range in {
				p := o[i]*w.strides[i] + k[i]*w.dilations[i] - w.pads[i]
				if p < 0 || p >= in[i] {
					continue kernel
				}
				at = at*in[i] + p
			}
			ts = append(ts, tap{oi, ki, at})
		}
	}
	return ts
}

// unravel writes the indices of the flat index i in shape s.
func unravel(idx []int, i int, s tensor.Shape) {
	for a := len(s) - 1; a >= 0; a-- {
		idx[a] = i % s[a]
		i /= s[a]
	}
}

// windowAttrs reads a window of an ONNX node for an input of spatial shape in, auto_pad resolved to
// pads, and returns the attributes that differ from the defaults.
func windowAttrs(n *ir.Node, kernel, in []int) (ir.Attrs, error) {
	w, err := windowOf(n.Attrs, kernel)
	if err != nil {
		return nil, err
	}
	switch mode := n.Attrs.Str("auto_pad", "NOTSET"); mode {
	case "NOTSET", "":
	case "VALID":
		w.pads = make([]int, 2*len(kernel))
	case "SAME_UPPER", "SAME_LOWER":
		if len(in) != len(kernel) {
			return nil, errorf("window %v needs %d spatial axes, has %v", kernel, len(kernel), in)
		}
		w.pads = make([]int, 2*len(kernel))
		for i, d := range in {
			out := (d + w.strides[i] - 1) / w.strides[i]
			total := max((out-1)*w.strides[i]+w.span(i)-d, 0)
			w.pads[i], w.pads[len(kernel)+i] = samePads(total, mode == "SAME_UPPER")
		}
	default:
		return nil, errorf("auto_pad %q is not known", mode)
	}
	return w.attrs(), nil
}

// samePads splits padding in two halves, the odd one after where upper.
func samePads(total int, upper bool) (before, after int) {
	if upper {
		return total / 2, total - total/2
	}
	return total - total/2, total / 2
}

// attrs lists what differs from the defaults.
func (w window) attrs() ir.Attrs {
	a := ir.Attrs{}
	put := func(name string, v []int, def int) {
		for _, x := range v {
			if x != def {
				a[name] = v
			}
		}
	}
	put("strides", w.strides, 1)
	put("dilations", w.dilations, 1)
	put("pads", w.pads, 0)
	return a
}

// flat is the window with one or two axes as one with two; the added first axis has length 1.
func (w window) flat() window {
	if len(w.kernel) != 1 {
		return w
	}
	return window{
		[]int{1, w.kernel[0]}, []int{1, w.strides[0]}, []int{1, w.dilations[0]},
		[]int{0, w.pads[0], 0, w.pads[1]},
	}
}

// flat gives spatial shapes of one axis a first one of length 1.
func flat(spatial tensor.Shape) tensor.Shape {
	if len(spatial) == 1 {
		return tensor.Shape{1, spatial[0]}
	}
	return spatial
}

// toLast copies x, channels first, to y, channels last; toFirst copies back. Tiles keep both sides
// of the copy in the cache.
func toLast[T any](y, x []T, n, c, size int)  { transposeEach(y, x, n, c, size) }
func toFirst[T any](y, x []T, n, c, size int) { transposeEach(y, x, n, size, c) }

// transposeEach copies n matrices of rows by cols to their transposes.
func transposeEach[T any](y, x []T, n, rows, cols int) {
	const tile = 32
	bands := (rows + tile - 1) / tile
	kernel.Parallel(n*bands, func(i int) {
		off := i / bands * rows * cols
		r0 := i % bands * tile
		r1 := min(r0+tile, rows)
		for c0 := 0; c0 < cols; c0 += tile {
			for r := r0; r < r1; r++ {
				for c := c0; c < min(c0+tile, cols); c++ {
					y[off+c*rows+r] = x[off+r*cols+c]
				}
			}
		}
	})
}

// images runs kernels, which want channels last, on tensors of either layout: channels-first inputs
// are copied into scratch before, outputs out of it after.
type images struct {
	last bool
	in   []*image // nil for tensors that are no images
	out  []*image
}

// scratch is the size of the workspace.
func (m images) scratch() int {
	size := 0
	if !m.last {
		for _, im := range append(m.in[:len(m.in):len(m.in)], m.out...) {
			if im != nil {
				size += carved(im.n * im.c * im.size())
			}
		}
	}
	return size
}

// bind wraps run, which sees float32 slices, nil for absent tensors.
func (m images) bind(run func(in, out [][]float32) error) ir.Bound {
	return ir.Bound{Scratch: m.scratch(), Run: func(in, out []*tensor.Tensor, scratch []byte) error {
		xs, ys := make([][]float32, len(m.in)), make([][]float32, len(m.out))
		for i, im := range m.in {
			t := at(in, i)
			if t == nil || t.DType != tensor.Float32 {
				continue
			}
			xs[i] = t.F32()
			if im != nil && !m.last {
				x := carve(&scratch, t.Len())
				toLast(x, xs[i], im.n, im.c, im.size())
				xs[i] = x
			}
		}
		for i, im := range m.out {
			t := at(out, i)
			if t == nil || t.DType != tensor.Float32 {
				continue
			}
			ys[i] = t.F32()
			if im != nil && !m.last {
				ys[i] = carve(&scratch, t.Len())
			}
		}
		if err := run(xs, ys); err != nil {
			return err
		}
		for i, im := range m.out {
			if t := at(out, i); t != nil && im != nil && !m.last && ys[i] != nil {
				toFirst(t.F32(), ys[i], im.n, im.c, im.size())
			}
		}
		return nil
	}}
}
