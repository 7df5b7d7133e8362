package op

import (
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// bindConv3D runs a pass over three axes as two-dimensional ones: a plane of the result is the sum,
// over the taps of the first axis, of convolutions of planes of the input with slices of the
// weights.
//
//	for b, z, t := range batch, planes of y, taps {
//		y[b,z] += conv2D(x[b, z*stride+t*dilation-pad], w[:,:,t])
//	}
func bindConv3D(n *ir.Node, c conv) (ir.Bound, error) {
	w := c.w
	plane := c
	plane.x.n, plane.y.n = 1, 1
	plane.x.spatial, plane.y.spatial = c.x.spatial[1:], c.y.spatial[1:]
	plane.w = window{w.kernel[1:], w.strides[1:], w.dilations[1:], []int{w.pads[1], w.pads[2], w.pads[4], w.pads[5]}}
	v := plane.conv2D()
	if err := v.Check(); err != nil {
		return ir.Bound{}, err
	}
	taps := w.kernel[0]
	depth := window{w.kernel[:1], w.strides[:1], w.dilations[:1], []int{w.pads[0], w.pads[3]}}
	// pairs are the planes of x and y that meet, of all examples, by tap.
	xs, ys := v.XLen(), v.YLen()
	pairs := make([][][2]int, taps)
	for b := range c.x.n {
		for _, t := range depth.taps(c.x.spatial[:1], c.y.spatial[:1]) {
			pairs[t.kernel] = append(pairs[t.kernel], [2]int{(b*c.x.spatial[0] + t.in) * xs, (b*c.y.spatial[0] + t.out) * ys})
		}
	}
	// slice t of the weights is every taps-th run of the kernel's area.
	area, wlen := v.R*v.S, v.WLen()
	each := func(t int, f func(whole, part, n int)) {
		for i := range wlen / area {
			f((i*taps+t)*area, i*area, area)
		}
	}

	if n.Op == "ConvGradWeight" {
		return images{c.x.last, []*image{&c.x, &c.y}, []*image{nil}}.bind(func(in, out [][]float32) error {
			dw := make([]float32, wlen)
			for t, ps := range pairs {
				clear(dw)
				for _, p := range ps {
					kernel.ConvGradWeight(v, in[0][p[0]:p[0]+xs], in[1][p[1]:p[1]+ys], true, dw)
				}
				each(t, func(whole, part, n int) { copy(out[0][whole:whole+n], dw[part:part+n]) })
			}
			return nil
		}), nil
	}

	pack, run, from, to, src, dst, flen, tlen := kernel.PackConv, kernel.ConvForward, &c.x, &c.y, 0, 1, xs, ys
	if n.Op == "ConvGradInput" {
		pack, run, from, to, src, dst, flen, tlen = kernel.PackConvGrad, kernel.ConvGradInput, &c.y, &c.x, 1, 0, ys, xs
	}
	packed := make([]*kernel.PackedConv, taps)
	repack := func(w []float32) {
		part := make([]float32, wlen)
		for t := range packed {
			each(t, func(whole, at, n int) { copy(part[at:at+n], w[whole:whole+n]) })
			if packed[t] == nil {
				packed[t] = pack(v, part)
			} else {
				packed[t].Pack(part)
			}
		}
	}
	fixed := n.In(1).IsConst()
	if fixed {
		repack(n.In(1).Data.F32())
	}
	b := images{c.x.last, []*image{from, nil, nil, to}, []*image{to}}.bind(func(in, out [][]float32) error {
		if !fixed {
			repack(in[1])
		}
		x, y, bias, res := in[0], out[0], in[2], in[3]
		if res != nil {
			copy(y, res)
		} else {
			clear(y)
		}
		for t, ps := range pairs {
			for _, p := range ps {
				o := y[p[dst] : p[dst]+tlen]
				run(v, x[p[src]:p[src]+flen], packed[t], o, &kernel.Epilogue{Residual: o})
			}
		}
		for i := 0; bias != nil && i < len(y); i += to.c {
			kernel.AddInto(y[i:i+to.c], bias)
		}
		if act, attr, ok := fusedAct(n.Attrs); ok {
			act.f32(attr)(y, y)
		}
		return nil
	})
	b.Stateful = !fixed
	return b, nil
}
