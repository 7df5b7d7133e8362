package kernel

import "math"

// Maps are in NHWC: rows = N*H*W rows of C channels.

// ScaleShift is y = x*s + t for each row, then + res if res is not nil, then
// max(., 0) if relu. Batch norm with fixed statistics is this, with
// s = scale*invstd and t = bias - mean*s.
func ScaleShift(y, x, s, t []float32, rows int, res []float32, relu bool) {
	c := len(s)
	if c == 0 {
		return
	}
	rowChunks(rows, c, func(lo, hi int) {
		var r []float32
		if res != nil {
			r = res[lo*c : hi*c]
		}
		vec.colAffine(y[lo*c:hi*c], x[lo*c:hi*c], s, t, r, relu)
	})
}

// BatchNormStats writes the mean and the biased variance of each channel. Blocks
// of rows are centred on their own mean and joined in float64 by Chan, Golub and
// LeVeque's rule, so a mean far from zero costs no accuracy.
func BatchNormStats(mean, variance, x []float32, rows int) {
	c := len(mean)
	if c == 0 || rows == 0 {
		return
	}
	block := colBlock(c)
	blocks := (rows + block - 1) / block
	buf := getScratch(3 * blocks * c)
	defer putScratch(buf)
	part := (*buf)[:3*blocks*c]
	Parallel(blocks, func(b int) {
		lo, hi := b*block, min((b+1)*block, rows)
		p := part[3*b*c:]
		blockMoments(p[:c], p[c:2*c], p[2*c:3*c], x[lo*c:hi*c])
	})
	chunks(c, 64, func(lo, hi int) {
		var m, q [64]float64
		n := 0.0
		for b := range blocks {
			nb := float64(min(block, rows-b*block))
			p := part[3*b*c:]
			for j := lo; j < hi; j++ {
				d := float64(p[j]) + float64(p[c+j])/nb - m[j-lo]
				m[j-lo] += d * nb / (n + nb)
				s := float64(p[c+j])
				q[j-lo] += float64(p[2*c+j]) - s*s/nb + d*d*n*nb/(n+nb)
			}
			n += nb
		}
		for j := lo; j < hi; j++ {
			mean[j] = float32(m[j-lo])
			variance[j] = float32(max(0, q[j-lo]/n))
		}
	})
}

// blockMoments writes each column's mean m as float32, and with respect to it the
// sums of x-m (what rounding m left over) and of (x-m)**2.
func blockMoments(m, s, q, x []float32) {
	c := len(m)
	clear(m)
	vec.colSum(m, x)
	scaleSpan(m, m, float32(c)/float32(len(x)))
	clear(s)
	clear(q)
	vec.colStats(s, q, x, m)
}

// InvStd is r = 1/sqrt(variance+eps).
func InvStd(r, variance []float32, eps float32) {
	for i, v := range variance {
		r[i] = float32(1 / math.Sqrt(float64(v)+float64(eps)))
	}
}

// BatchNormTrain normalises each channel by the statistics of the batch:
//
//	y = (x-mean)*invstd*scale + bias (+ res) (then relu)
//
// It writes mean, variance (biased) and invstd = 1/sqrt(variance+eps), of C values
// each. Running statistics are the caller's: PyTorch moves them by the unbiased
// variance, variance*rows/(rows-1).
func BatchNormTrain(y, x, scale, bias, mean, variance, invstd []float32, eps float32, rows int, res []float32, relu bool) {
	BatchNormStats(mean, variance, x, rows)
	InvStd(invstd, variance, eps)
	s, t := make([]float32, len(scale)), make([]float32, len(scale))
	NormScaleShift(s, t, scale, bias, mean, invstd)
	ScaleShift(y, x, s, t, rows, res, relu)
}

// NormScaleShift gives the form of a normalisation with known statistics that ScaleShift applies:
// s = scale*invstd, t = bias - mean*s. Training and inference share it, so that the same statistics
// give the same bits.
func NormScaleShift(s, t, scale, bias, mean, invstd []float32) {
	for j := range s {
		s[j] = scale[j] * invstd[j]
		t[j] = float32(float64(bias[j]) - float64(mean[j])*float64(s[j]))
	}
}

// BatchNormGrad is the gradient of BatchNormTrain. With g = dy, or dy where y > 0
// if y is given (relu):
//
//	dbias = sum(g), dscale = sum(g*(x-mean))*invstd, dres = g
//	dx = scale*invstd*(g - dbias/rows - (x-mean)*invstd*dscale/rows)
//
// dx and dres may be nil where they are not needed; dx may be dy. dres may not
// be dx.
func BatchNormGrad(dx, dres, dscale, dbias, dy, y, x, scale, mean, invstd []float32, rows int) {
	c := len(scale)
	if c == 0 || rows == 0 {
		return
	}
	block := colBlock(c)
	blocks := (rows + block - 1) / block
	buf := getScratch(2 * blocks * c)
	defer putScratch(buf)
	part := (*buf)[:2*blocks*c]
	// Where g is not dy it is kept in dres, or in dx until dx itself is computed.
	g := dy
	if y != nil {
		switch {
		case dres != nil:
			g = dres
		case dx != nil:
			g = dx
		}
	}
	Parallel(blocks, func(b int) {
		lo, hi := b*block*c, min((b+1)*block, rows)*c
		gb := g[lo:hi]
		switch {
		case y != nil && dres == nil && dx == nil:
			tmp := getScratch(hi - lo)
			defer putScratch(tmp)
			gb = (*tmp)[:hi-lo]
			vec.reluGrad(gb, dy[lo:hi], y[lo:hi])
		case y != nil:
			vec.reluGrad(gb, dy[lo:hi], y[lo:hi])
		case dres != nil && &dres[0] != &dy[0]:
			copy(dres[lo:hi], dy[lo:hi])
		}
		p := part[2*b*c : 2*(b+1)*c]
		clear(p)
		vec.colGrad(p[:c], p[c:], gb, x[lo:hi], mean)
	})
	sums := make([]float32, 2*c)
	joinSums(sums, part, blocks)
	coef := batchNormCoef(sums, dscale, dbias, scale, mean, invstd, rows)
	if dx == nil {
		return
	}
	rowChunks(rows, c, func(lo, hi int) {
		vec.colAffine2(dx[lo*c:hi*c], g[lo*c:hi*c], x[lo*c:hi*c], coef[:c], coef[c:2*c], coef[2*c:])
	})
}
