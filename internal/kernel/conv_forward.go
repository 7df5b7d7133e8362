package kernel

// ConvForward computes y from x, both NHWC and unpadded, with weights from
// PackConv and the epilogue ep (nil for none). y must not overlap x; the residual
// may be y.
func ConvForward(v Conv2D, x []float32, w *PackedConv, y []float32, ep *Epilogue) {
	v = v.norm()
	switch {
	case v.pointwise():
		p := newProduct(false, v.N*v.H*v.W, v.K, v.C, x, v.C, false, y, v.K, ep)
		p.rowwise = true
		p.packed(w.data)
	case v.depthwise():
		win := v.forward()
		win.runDepthwise(w.walk(v), x, w.data, y, ep)
	case w.wino:
		runWinograd(v, x, w, y, ep)
	default:
		win := v.forward()
		win.run(x, w.data, y, ep)
	}
}

// ConvForwardScaled is ConvForward of a convolution of 1 by 1 with stride 1, with
// each channel of each image scaled first, as squeeze-and-excite blocks do:
//
//	y[n,h,w,k] = act(bias[k] + residual[n,h,w,k] + sum over c of x[n,h,w,c] * scale[n,c] * w[k,c])
//
// scale is N by C. The weights are scaled instead of x, which is longer.
func ConvForwardScaled(v Conv2D, x, scale []float32, w *PackedConv, y []float32, ep *Epilogue) {
	v = v.norm()
	if !v.pointwise() {
		panic("kernel: ConvForwardScaled needs a convolution of 1 by 1 with stride 1")
	}
	pixels, nr := v.H*v.W, cpu.nr
	parts := max(1, min(split(16, v.N), pixels/(8*cpu.mr)))
	Parallel(v.N*parts, func(i int) {
		n := i / parts
		buf := getScratch(len(w.data))
		defer putScratch(buf)
		s := scale[n*v.C : (n+1)*v.C]
		for p := 0; p < len(w.data); p += v.C * nr {
			for c, f := range s {
				row := (*buf)[p+c*nr : p+(c+1)*nr]
				vec.affine(row, w.data[p+c*nr:p+(c+1)*nr], f, 0)
			}
		}
		r0, r1 := part(i%parts, pixels, parts)
		at := n*pixels + r0
		m := newProduct(false, r1-r0, v.K, v.C, x[at*v.C:], v.C, false, y[at*v.K:], v.K, ep)
		if len(m.ep.Residual) > 0 {
			m.ep.Residual = m.ep.Residual[at*v.K:]
		}
		m.b, m.bks, m.bps = *buf, nr, nr*v.C
		tiles := split(m.m, cpu.mr)
		m.block(0, tiles, tiles, 0, v.K)
	})
}
