package op

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// GridSample(x [N,C,d1..dk], grid [N,o1..ok,k]) -> [N,C,o1..ok] reads x at places given in -1 to 1
// along each axis, the last axis first. Modes: linear, nearest, cubic; padding_mode: zeros, border,
// reflection. With align_corners -1 and 1 are the centres of the outer elements, else their outer
// edges. GridSampleGrad(x, grid, dy) -> dx, dgrid.
func init() {
	forms := []ir.Form{{Op: "GridSample", Since: 16, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
		attrs := ir.Attrs{}
		for _, k := range []string{"padding_mode", "align_corners"} {
			if n.Attrs.Has(k) {
				attrs[k] = n.Attrs[k]
			}
		}
		attrs["mode"] = n.Attrs.Str("mode", "linear")
		switch attrs["mode"] { // names of opset 16
		case "bilinear":
			attrs["mode"] = "linear"
		case "bicubic":
			attrs["mode"] = "cubic"
		}
		return b.Ops("GridSample", attrs, n.Inputs...), b.Err()
	}}}
	attrs := func(mode, padding string, corners int) ir.Attrs {
		return ir.Attrs{"mode": mode, "padding_mode": padding, "align_corners": corners}
	}
	register(ir.Def{
		Name:   "GridSample",
		Traits: ir.Traits{Batch: ir.BatchFirst},
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 2, 2); err != nil {
				return nil, err
			}
			x, g := n.In(0).Type, n.In(1).Type
			k := len(x.Shape) - 2
			if k < 1 || len(g.Shape) != k+2 || g.Shape[k+1] != k || g.Shape[0] != x.Shape[0] || !g.DType.IsFloat() || !x.DType.IsFloat() {
				return nil, fmt.Errorf("grid %v does not fit %v", g, x)
			}
			if _, err := gridAxis(n.Attrs, 1); err != nil {
				return nil, err
			}
			s := append(tensor.Shape{x.Shape[0], x.Shape[1]}, g.Shape[1:k+1]...)
			return []ir.Type{{DType: x.DType, Shape: s}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			return b.Ops("GridSampleGrad", n.Attrs, n.In(0), n.In(1), dy[0])
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			s, err := newGridSampler(n)
			return ir.Bound{Run: s.forward}, err
		},
		ONNX: forms,
		Cases: func() []ir.Case {
			return []ir.Case{
				{Name: "linear", Range: [2]float64{-1.2, 1.2}, Inputs: []*tensor.Tensor{random(2, 3, 3, 4), random(2, 2, 5, 2)}},
				{Name: "border", Range: [2]float64{-1.2, 1.2}, Attrs: attrs("linear", "border", 1), Inputs: []*tensor.Tensor{random(1, 2, 3, 4), random(1, 2, 5, 2)}},
				{Name: "reflection", Range: [2]float64{-2.2, 2.2}, Attrs: attrs("linear", "reflection", 0), Inputs: []*tensor.Tensor{random(1, 2, 3, 4), random(1, 2, 5, 2)}},
				{Name: "cubic", Attrs: attrs("cubic", "zeros", 0), Inputs: []*tensor.Tensor{random(1, 2, 5, 4), random(1, 2, 5, 2)}},
				{Name: "nearest", Attrs: attrs("nearest", "zeros", 0), Inputs: []*tensor.Tensor{random(1, 2, 5, 4), random(1, 2, 5, 2)}},
				{Name: "volume", Attrs: attrs("linear", "zeros", 1), Inputs: []*tensor.Tensor{random(1, 2, 3, 2, 4), random(1, 2, 2, 2, 3)}},
			}
		},
	})
	register(ir.Def{
		Name: "GridSampleGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			return []ir.Type{n.In(0).Type, n.In(1).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			s, err := newGridSampler(n)
			return ir.Bound{Run: s.backward}, err
		},
		Cases: func() []ir.Case {
			return []ir.Case{{Attrs: attrs("linear", "zeros", 1), Inputs: []*tensor.Tensor{
				tensor.Of([]float32{1, 3}, 1, 1, 2), tensor.Of([]float32{0}, 1, 1, 1), tensor.Of([]float32{2}, 1, 1, 1)},
				Want: []*tensor.Tensor{tensor.Of([]float32{1, 1}, 1, 1, 2), tensor.Of([]float32{2}, 1, 1, 1)}}}
		},
	})
}

// axisTaps are the elements along one axis that a place is read from: index, -1 for zero, weight,
// and the weight's derivative by the place as given in the grid.
type axisTaps struct {
	n     int
	index [4]int
	w, dw [4]float64
}

// gridAxis makes the function from a place to its taps along an axis of size d.
func gridAxis(a ir.Attrs, d int) (func(v float64) axisTaps, error) {
	mode, padding, corners := a.Str("mode", "linear"), a.Str("padding_mode", "zeros"), a.Bool("align_corners")
	size := float64(d)
	scale, shift := size/2, (size-1)/2
	lo, hi := -0.5, size-0.5 // where reflection turns
	if corners {
		scale = (size - 1) / 2
		lo, hi = 0, size-1
	}
	reflect := func(x float64) (float64, float64) {
		if hi == lo {
			return 0, 0
		}
		period := 2 * (hi - lo)
		y := math.Mod(x-lo, period)
		if y < 0 {
			y += period
		}
		if y > hi-lo {
			return lo + period - y, -1
		}
		return lo + y, 1
	}
	pixel := func(i int) int { // what stands at position i
		switch padding {
		case "zeros":
			if i < 0 || i >= d {
				return -1
			}
		case "reflection":
			x, _ := reflect(float64(i))
			i = int(math.RoundToEven(x))
			return min(max(i, 0), d-1)
		}
		return min(max(i, 0), d-1)
	}
	place := func(v float64) (x, slope float64) {
		x, slope = v*scale+shift, scale
		if mode == "cubic" {
			return x, slope
		}
		switch padding {
		case "border":
			if x < 0 || x > size-1 {
				return min(max(x, 0), size-1), 0
			}
		case "reflection":
			x, sign := reflect(x)
			slope *= sign
			if x < 0 || x > size-1 {
				return min(max(x, 0), size-1), 0
			}
			return x, slope
		}
		return x, slope
	}
	switch padding {
	case "zeros", "border", "reflection":
	default:
		return nil, fmt.Errorf("padding mode %q is unknown", padding)
	}
	switch mode {
	case "nearest":
		return func(v float64) axisTaps {
			x, _ := place(v)
			return axisTaps{n: 1, index: [4]int{pixel(int(math.RoundToEven(x)))}, w: [4]float64{1}}
		}, nil
	case "linear":
		return func(v float64) axisTaps {
			x, slope := place(v)
			i := math.Floor(x)
			f := x - i
			return axisTaps{2, [4]int{pixel(int(i)), pixel(int(i) + 1)}, [4]float64{1 - f, f}, [4]float64{-slope, slope}}
		}, nil
	case "cubic":
		return func(v float64) axisTaps {
			x, slope := place(v)
			i := math.Floor(x)
			t := axisTaps{n: 4}
			for k := range 4 {
				t.index[k] = pixel(int(i) + k - 1)
				t.w[k], t.dw[k] = cubic(x - i - float64(k-1))
				t.dw[k] *= slope
			}
			return t
		}, nil
	}
	return nil, fmt.Errorf("mode %q is unknown", mode)
}

// cubic is the cubic convolution kernel with coefficient -0.75, and its derivative.
func cubic(x float64) (w, dw float64) {
	const a = -0.75
	sign := 1.0
	if x < 0 {
		x, sign = -x, -1
	}
	switch {
	case x <= 1:
		return ((a+2)*x-(a+3))*x*x + 1, sign * (3*(a+2)*x - 2*(a+3)) * x
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a, sign * ((3*a*x-10*a)*x + 8*a)
	}
	return 0, 0
}

type gridSampler struct {
	n, c, places int
	spatial      tensor.Shape
	axes         []func(v float64) axisTaps
}

func newGridSampler(n *ir.Node) (*gridSampler, error) {
	x, g := n.In(0).Type.Shape, n.In(1).Type.Shape
	s := &gridSampler{n: x[0], c: x[1], spatial: x[2:], places: g[1 : len(g)-1].Len()}
	for _, d := range s.spatial {
		f, err := gridAxis(n.Attrs, d)
		if err != nil {
			return nil, err
		}
		s.axes = append(s.axes, f)
	}
	return s, nil
}

// at calls f for each element that a place is read from, with its weight and, by axis of the grid,
// the weight's derivative.
func (s *gridSampler) at(place []float64, f func(i int, w float64, dw []float64)) {
	k := len(s.spatial)
	taps := make([]axisTaps, k)
	for d := range taps {
		taps[d] = s.axes[d](place[k-1-d])
	}
	st := s.spatial.Strides()
	pick := make([]int, k)
	counts := make(tensor.Shape, k)
	for d, t := range taps {
		counts[d] = t.n
	}
	dw := make([]float64, k)
	for range counts.Len() {
		i, w := 0, 1.0
		for d, t := range taps {
			if t.index[pick[d]] < 0 {
				i = -1
				break
			}
			i += t.index[pick[d]] * st[d]
			w *= t.w[pick[d]]
		}
		if i >= 0 {
			for d := range taps {
				p := 1.0
				for e, t := range taps {
					if e == d {
						p *= t.dw[pick[e]]
					} else {
						p *= t.w[pick[e]]
					}
				}
				dw[k-1-d] = p
			}
			f(i, w, dw)
		}
		next(pick, counts)
	}
}

func (s *gridSampler) forward(in, out []*tensor.Tensor, _ []byte) error {
	x, grid, y := widen[float64](in[0]), widen[float64](in[1]), wideOut[float64](out[0])
	clear(y)
	size, k := s.spatial.Len(), len(s.spatial)
	kernel.Parallel(s.n*s.places, func(task int) {
		b, p := task/s.places, task%s.places
		s.at(grid[task*k:(task+1)*k], func(i int, w float64, _ []float64) {
			for c := range s.c {
				y[(b*s.c+c)*s.places+p] += w * x[(b*s.c+c)*size+i]
			}
		})
	})
	narrow(out[0], y)
	return nil
}

func (s *gridSampler) backward(in, out []*tensor.Tensor, _ []byte) error {
	x, grid, dy := widen[float64](in[0]), widen[float64](in[1]), widen[float64](in[2])
	size, k := s.spatial.Len(), len(s.spatial)
	dx, dgrid := make([]float64, len(x)), make([]float64, len(grid))
	kernel.Parallel(s.n, func(b int) {
		for p := range s.places {
			at := b*s.places + p
			s.at(grid[at*k:(at+1)*k], func(i int, w float64, dw []float64) {
				for c := range s.c {
					g := dy[(b*s.c+c)*s.places+p]
					dx[(b*s.c+c)*size+i] += w * g
					v := g * x[(b*s.c+c)*size+i]
					for d := range dw {
						dgrid[at*k+d] += dw[d] * v
					}
				}
			})
		}
	})
	for i, d := range [][]float64{dx, dgrid} {
		if out[i] != nil {
			narrow(out[i], d)
		}
	}
	return nil
}
