package kernel

// phase is the part of an input gradient that one residue of the input
// position modulo the strides takes part in: a window over the output's gradient
// with stride 1.
type phase struct {
	y, x       int   // first input row and column
	rows, cols []int // offsets in the output's gradient, rising
	taps       []int // the weights' taps r*S+s that belong to rows and cols
	at         int   // where its packed weights start
}

// gradPhases lists the phases, those without taps too. Input row i gets
// something from output row o through tap r where o*stride + r*dil - pad = i.
func (v Conv2D) gradPhases() []phase {
	var ps []phase
	for y := range v.StrideH {
		for x := range v.StrideW {
			p := phase{y: y, x: x}
			var rt, st []int
			p.rows, rt = axisTaps(y, v.R, v.StrideH, v.DilH, v.PadT)
			p.cols, st = axisTaps(x, v.S, v.StrideW, v.DilW, v.PadL)
			for _, r := range rt {
				for _, s := range st {
					p.taps = append(p.taps, r*v.S+s)
				}
			}
			ps = append(ps, p)
		}
	}
	return ps
}

// axisTaps lists the taps that reach input positions of residue i, and the
// offset of the output position that they come from, from left to right.
func axisTaps(i, taps, stride, dil, pad int) (offs, tap []int) {
	for t := taps - 1; t >= 0; t-- {
		if d := i + pad - t*dil; d%stride == 0 {
			offs = append(offs, d/stride)
			tap = append(tap, t)
		}
	}
	return offs, tap
}

// ConvGradInput computes dx, the gradient for the input, from dy, the gradient
// for the output, with weights from PackConvGrad. It is ConvTranspose as
// well: then dy is its input, dx its output, and v the convolution that it
// transposes. The epilogue's channels are the input channels C.
//
//	dx[n,ih,iw,c] = act(bias[c] + residual[n,ih,iw,c] +
//		sum over k, r, s of dy[n,oh,ow,k] * w[k,c,r,s])
//
// where oh*StrideH + r*DilH - PadT = ih, and columns likewise.
func ConvGradInput(v Conv2D, dy []float32, w *PackedConv, dx []float32, ep *Epilogue) {
	v = v.norm()
	if v.pointwise() {
		newProduct(false, v.N*v.H*v.W, v.C, v.K, dy, v.K, false, dx, v.C, ep).packed(w.data)
		return
	}
	if w.wino {
		runWinograd(v.transposed(), dy, w, dx, ep)
		return
	}
	ps := w.phases
	if v.depthwise() {
		ps = v.gradPhases()
	}
	oh, ow := v.OutH(), v.OutW()
	for _, p := range ps {
		win := window{
			n: v.N, h: oh, w: ow, c: v.K, rows: p.rows, cols: p.cols, sh: 1, sw: 1,
			oh: split(max(v.H-p.y, 0), v.StrideH), ow: split(max(v.W-p.x, 0), v.StrideW),
			k: v.C, groups: v.Groups,
			dst: grid{v.H, v.W, p.y, p.x, v.StrideH, v.StrideW},
		}
		switch {
		case win.oh == 0 || win.ow == 0: // an input smaller than the stride
		case len(p.taps) == 0:
			win.empty(dx, ep)
		case v.depthwise():
			win.runDepthwise(newDwWalk(&win), dy, depthwiseTaps(w.data, v.C, p.taps), dx, ep)
		default:
			win.run(dy, w.data[p.at:], dx, ep)
		}
	}
}

// empty computes a window without taps.
func (w *window) empty(y []float32, ep *Epilogue) {
	var e Epilogue
	if ep != nil {
		e = *ep
	}
	Parallel(w.n*w.oh, func(i int) {
		for x := range w.ow {
			at := w.dst.pixel(i/w.oh, i%w.oh, x) * w.k
			p := y[at : at+w.k]
			if len(e.Residual) > 0 {
				copy(p, e.Residual[at:])
			} else {
				clear(p)
			}
			if len(e.Bias) > 0 {
				vec.add(p, p, e.Bias[:w.k])
			}
			e.activate(p)
		}
	})
}
