package op

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// RoiAlign(x [N,C,H,W], rois [R,4], batch_indices [R]) -> [R,C,output_height,output_width] divides
// each region (x1, y1, x2, y2, times spatial_scale) into bins and takes the average or the maximum
// (mode) of samples in each, interpolated linearly. sampling_ratio is the number of samples per
// side of a bin; with 0 it is about one per pixel. RoiAlignGrad(x, rois, batch_indices, dy) is the
// gradient with respect to x.
func init() {
	rois := tensor.Of([]float32{0.3, 0.2, 3.1, 2.4, 1, 1, 2.5, 3}, 2, 4)
	cases := func(mode string, ratio int) ir.Case {
		return ir.Case{Name: mode, Attrs: ir.Attrs{"mode": mode, "output_height": 2, "output_width": 2, "sampling_ratio": ratio},
			Inputs: []*tensor.Tensor{random(2, 3, 4, 5), rois, ints64(1, 0)}, NoGrad: []int{1}}
	}
	register(ir.Def{
		Name: "RoiAlign",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 3, 3); err != nil {
				return nil, err
			}
			x, r, k := n.In(0).Type, n.In(1).Type, n.In(2).Type
			if len(x.Shape) != 4 || len(r.Shape) != 2 || r.Shape[1] != 4 || !k.Shape.Equal(r.Shape[:1]) || !k.DType.IsInt() {
				return nil, fmt.Errorf("regions %v of images %v do not fit %v", r, k, x)
			}
			if err := floats(n, 0, 1); err != nil {
				return nil, err
			}
			h, w := n.Attrs.Int("output_height", 1), n.Attrs.Int("output_width", 1)
			if h < 1 || w < 1 {
				return nil, fmt.Errorf("%d x %d bins", h, w)
			}
			return []ir.Type{{DType: x.DType, Shape: tensor.Shape{r.Shape[0], x.Shape[1], h, w}}}, nil
		},
		Grad: func(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
			dx := make([]*ir.Value, 3)
			if need[1] {
				b.Fail(n.Errorf("has no gradient with respect to its regions"))
			}
			if need[0] {
				dx[0] = b.Op("RoiAlignGrad", n.Attrs, n.In(0), n.In(1), n.In(2), dy[0])
			}
			return dx
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			r := newRoiAligner(n.Attrs, n.In(0).Type.Shape)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				x, y := widen[float64](in[0]), wideOut[float64](out[0])
				err := r.each(in[1], in[2], func(bin, plane int, samples [][4]corner) {
					y[bin], _ = r.pool(x[plane:], samples)
				})
				narrow(out[0], y)
				return err
			}}, nil
		},
		ONNX: []ir.Form{{Op: "RoiAlign", Since: 10, Lower: func(b *ir.Builder, n *ir.Node) ([]*ir.Value, error) {
			attrs := n.Attrs
			if n.Version < 16 {
				attrs = attrs.With("coordinate_transformation_mode", "output_half_pixel")
			}
			return b.Ops("RoiAlign", attrs, n.Inputs...), b.Err()
		}}},
		Cases: func() []ir.Case { return []ir.Case{cases("avg", 2), cases("max", 2), cases("avg", 0)} },
	})
	register(ir.Def{
		Name: "RoiAlignGrad",
		Infer: func(n *ir.Node) ([]ir.Type, error) {
			if err := inputs(n, 4, 4); err != nil {
				return nil, err
			}
			return []ir.Type{n.In(0).Type}, nil
		},
		Bind: func(n *ir.Node) (ir.Bound, error) {
			r := newRoiAligner(n.Attrs, n.In(0).Type.Shape)
			return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
				x, dy, dx := widen[float64](in[0]), widen[float64](in[3]), make([]float64, in[0].Len())
				err := r.each(in[1], in[2], func(bin, plane int, samples [][4]corner) {
					_, best := r.pool(x[plane:], samples)
					if best != nil {
						dx[plane+best.at] += dy[bin] * best.w
						return
					}
					for _, s := range samples {
						for _, t := range s {
							dx[plane+t.at] += dy[bin] / float64(len(samples)) * t.w
						}
					}
				})
				narrow(out[0], dx)
				return err
			}}, nil
		},
		Cases: func() []ir.Case {
			return []ir.Case{{Attrs: ir.Attrs{"sampling_ratio": 1, "coordinate_transformation_mode": "output_half_pixel"}, Inputs: []*tensor.Tensor{
				random(1, 1, 2, 2), tensor.Of([]float32{0, 0, 1, 1}, 1, 4), ints64(0), tensor.Of([]float32{4}, 1, 1, 1, 1)},
				Want: []*tensor.Tensor{tensor.Of([]float32{1, 1, 1, 1}, 1, 1, 2, 2)}}}
		},
	})
}

// corner is an element that a sample is read from, and its weight.
type corner struct {
	at int
	w  float64
}

type roiAligner struct {
	n, c, h, w, binsH, binsW, ratio int
	scale                           float64
	half, max                       bool
}

func newRoiAligner(a ir.Attrs, x tensor.Shape) roiAligner {
	return roiAligner{x[0], x[1], x[2], x[3], a.Int("output_height", 1), a.Int("output_width", 1), a.Int("sampling_ratio", 0),
		float64(a.Float("spatial_scale", 1)), a.Str("coordinate_transformation_mode", "half_pixel") == "half_pixel",
		a.Str("mode", "avg") == "max"}
}

// each calls f for every bin of the output with where its channel's plane begins in x and the
// samples in it.
func (r roiAligner) each(rois, images *tensor.Tensor, f func(bin, plane int, samples [][4]corner)) error {
	which, err := images.Ints()
	if err != nil {
		return err
	}
	box := rois.Float64s()
	for k, image := range which {
		if image < 0 || image >= r.n {
			return fmt.Errorf("image %d of a batch of %d", image, r.n)
		}
		var p [4]float64
		for i := range p {
			p[i] = box[4*k+i] * r.scale
			if r.half {
				p[i] -= 0.5
			}
		}
		width, height := p[2]-p[0], p[3]-p[1]
		if !r.half {
			width, height = max(width, 1), max(height, 1)
		}
		binW, binH := width/float64(r.binsW), height/float64(r.binsH)
		nx, ny := r.ratio, r.ratio
		if r.ratio <= 0 {
			nx, ny = int(math.Ceil(binW)), int(math.Ceil(binH))
		}
		if nx > 1<<10 || ny > 1<<10 {
			return fmt.Errorf("region %d is %g x %g pixels", k, width, height)
		}
		perBin := make([][][4]corner, r.binsH*r.binsW)
		for i := range perBin {
			for sy := range ny {
				for sx := range nx {
					y := p[1] + (float64(i/r.binsW)+(float64(sy)+0.5)/float64(ny))*binH
					x := p[0] + (float64(i%r.binsW)+(float64(sx)+0.5)/float64(nx))*binW
					perBin[i] = append(perBin[i], r.sample(y, x))
				}
			}
		}
		kernel.Parallel(r.c, func(c int) {
			for i, samples := range perBin {
				f((k*r.c+c)*len(perBin)+i, (image*r.c+c)*r.h*r.w, samples)
			}
		})
	}
	return nil
}

// sample gives the four elements around a place; outside the image by more than a pixel it is zero.
func (r roiAligner) sample(y, x float64) (t [4]corner) {
	if y < -1 || y > float64(r.h) || x < -1 || x > float64(r.w) {
		return t
	}
	axis := func(v float64, d int) (lo, hi int, f float64) {
		v = max(v, 0)
		if lo = int(v); lo >= d-1 {
			return d - 1, d - 1, 0
		}
		return lo, lo + 1, v - float64(lo)
	}
	y0, y1, fy := axis(y, r.h)
	x0, x1, fx := axis(x, r.w)
	return [4]corner{{y0*r.w + x0, (1 - fy) * (1 - fx)}, {y0*r.w + x1, (1 - fy) * fx}, {y1*r.w + x0, fy * (1 - fx)}, {y1*r.w + x1, fy * fx}}
}

// pool is a bin's value: the average of its samples and nil or, as ONNX defines the maximum, the
// greatest of all weighted elements and which that is.
func (r roiAligner) pool(plane []float64, samples [][4]corner) (v float64, best *corner) {
	for i := range samples {
		for j := range samples[i] {
			t := &samples[i][j]
			x := t.w * plane[t.at]
			switch {
			case !r.max:
				v += x / float64(len(samples))
			case best == nil || x > v:
				v, best = x, t
			}
		}
	}
	return v, best
}
