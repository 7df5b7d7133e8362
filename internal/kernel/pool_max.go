package kernel

// MaxPool is y = the maximum over each window; NaN wins. A window in the padding
// alone is -Inf.
func MaxPool(y, x []float32, p Pool2D) {
	p.outRows(func(n, oh int) {
		r := p.row(oh)
		var taps []int
		for ow := range p.OutW {
			at := ((n*p.OutH+oh)*p.OutW + ow) * p.C
			taps = p.taps(taps, n, r, p.col(ow))
			dst := y[at : at+p.C]
			if len(taps) == 0 {
				fill(dst, -inf32)
				continue
			}
			vec.maxTaps(dst, x, taps)
		}
	})
}

// MaxPoolGrad is the gradient of MaxPool from its input and output: dx, which is
// overwritten, receives each dy at the first tap in row order that equals y.
func MaxPoolGrad(dx, dy, x, y []float32, p Pool2D) {
	p.inTiles(func(n, lo, hi int) {
		p.clearTile(dx, n, lo, hi)
		var left [poolTile]float32
		for oh := range p.OutH {
			r := p.row(oh)
			for ow := range p.OutW {
				at := ((n*p.OutH+oh)*p.OutW + ow) * p.C
				g := left[:copy(left[:], dy[at+lo:at+hi])]
				top := y[at+lo : at+hi]
				p.window(n, r, p.col(ow), func(at int) {
					vec.maxGrad(dx[at+lo:at+hi], g, x[at+lo:at+hi], top)
				})
			}
		}
	})
}

// clearTile zeroes channels lo to hi of example n of dx.
func (p *Pool2D) clearTile(dx []float32, n, lo, hi int) {
	for i := range p.H * p.W {
		at := (n*p.H*p.W + i) * p.C
		clear(dx[at+lo : at+hi])
	}
}

// maxGradGo moves g to dx where x equals y: dx += g, g = 0. It is one tap of one
// window in the gradient of a maximum.
func maxGradGo(dx, g, x, y []float32) {
	for i, v := range x {
		if !(v < y[i] || v > y[i]) {
			dx[i] += g[i]
			g[i] = 0
		}
	}
}

// GlobalMaxPool is y[n,c] = the maximum over hw of x[n,hw,c].
func GlobalMaxPool(y, x []float32, n, hw, c int) { Reduce(ReduceMax, y, x, n, hw, c) }

// GlobalMaxPoolGrad is the gradient of GlobalMaxPool: dy goes to the first position
// that equals y.
func GlobalMaxPoolGrad(dx, dy, x, y []float32, n, hw, c int) {
	MaxPoolGrad(dx, dy, x, y, Pool2D{N: n, H: 1, W: hw, C: c, OutH: 1, OutW: 1,
		KH: 1, KW: hw, StrideH: 1, StrideW: 1})
}
