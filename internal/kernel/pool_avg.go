package kernel

// AvgPool is y = the mean over each window; see Pool2D.CountPad for the divisor. A
// window in the padding alone is 0.
func AvgPool(y, x []float32, p Pool2D) {
	p.outRows(func(n, oh int) {
		r := p.row(oh)
		var taps []int
		for ow := range p.OutW {
			at := ((n*p.OutH+oh)*p.OutW + ow) * p.C
			col := p.col(ow)
			taps = p.taps(taps, n, r, col)
			dst := y[at : at+p.C]
			if len(taps) == 0 {
				clear(dst)
				continue
			}
			vec.sumTaps(dst, x, taps)
			scaleSpan(dst, dst, 1/p.divisor(r, col))
		}
	})
}

// AvgPoolGrad is the gradient of AvgPool: dx, which is overwritten, receives each
// dy/divisor at every tap.
func AvgPoolGrad(dx, dy []float32, p Pool2D) {
	p.inTiles(func(n, lo, hi int) {
		p.clearTile(dx, n, lo, hi)
		for oh := range p.OutH {
			r := p.row(oh)
			for ow := range p.OutW {
				at := ((n*p.OutH+oh)*p.OutW + ow) * p.C
				col := p.col(ow)
				k := 1 / p.divisor(r, col)
				g := dy[at+lo : at+hi]
				p.window(n, r, col, func(at int) { vec.axpy(dx[at+lo:at+hi], g, k) })
			}
		}
	})
}

// GlobalAvgPool is y[n,c] = the mean over hw of x[n,hw,c].
func GlobalAvgPool(y, x []float32, n, hw, c int) { Reduce(ReduceMean, y, x, n, hw, c) }

// GlobalAvgPoolGrad is dx[n,hw,c] = dy[n,c]/hw.
func GlobalAvgPoolGrad(dx, dy []float32, n, hw, c int) {
	k := 1 / float32(hw)
	rowChunks(n*hw, c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			scaleSpan(dx[i*c:(i+1)*c], dy[i/hw*c:(i/hw+1)*c], k)
		}
	})
}
