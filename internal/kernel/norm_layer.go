package kernel

import "math"

// rowMoments is the mean of x and 1/sqrt(variance+eps).
func rowMoments(x []float32, eps float32) (mean, invstd float32) {
	n := float64(len(x))
	mean = float32(sum64(x) / n)
	var q float64
	for v := x; len(v) > 0; v = v[min(sumBlock, len(v)):] {
		q += float64(vec.centered(v[:min(sumBlock, len(v))], mean))
	}
	return mean, float32(1 / math.Sqrt(q/n+float64(eps)))
}

// LayerNorm normalises each row of width c: y = (x-mean)*invstd*scale + bias with
// invstd = 1/sqrt(variance+eps). scale and bias have c values or are nil. mean
// and invstd receive one value for each row, or are nil where no gradient
// will be needed.
func LayerNorm(y, x, scale, bias, mean, invstd []float32, eps float32, rows, c int) {
	if c == 0 {
		return
	}
	rowChunks(rows, c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			v := x[i*c : (i+1)*c]
			m, r := rowMoments(v, eps)
			if mean != nil {
				mean[i] = m
			}
			if invstd != nil {
				invstd[i] = r
			}
			vec.normalize(y[i*c:(i+1)*c], v, scale, bias, m, r)
		}
	})
}

// LayerNormGrad is the gradient of LayerNorm. With g = dy*scale and
// h = (x-mean)*invstd:
//
//	dx = invstd*(g - mean(g) - h*mean(g*h)), dscale = sum(dy*h), dbias = sum(dy)
//
// dx, dscale and dbias may be nil where they are not needed; dx may be dy.
func LayerNormGrad(dx, dscale, dbias, dy, x, scale, mean, invstd []float32, rows, c int) {
	rowNormGrad(dx, dscale, dbias, dy, x, scale, invstd, rows, c, func(i int) float32 { return mean[i] }, true)
}

// RMSNorm is y = x*invrms*scale with invrms = 1/sqrt(mean(x*x)+eps) for each row of
// width c. scale has c values or is nil, invrms one for each row or is nil.
func RMSNorm(y, x, scale, invrms []float32, eps float32, rows, c int) {
	if c == 0 {
		return
	}
	rowChunks(rows, c, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			v := x[i*c : (i+1)*c]
			r := float32(1 / math.Sqrt(sumSq64(v)/float64(c)+float64(eps)))
			if invrms != nil {
				invrms[i] = r
			}
			vec.normalize(y[i*c:(i+1)*c], v, scale, nil, 0, r)
		}
	})
}

// RMSNormGrad is the gradient of RMSNorm. With g = dy*scale and h = x*invrms:
//
//	dx = invrms*(g - h*mean(g*h)), dscale = sum(dy*h)
//
// dx and dscale may be nil where they are not needed; dx may be dy.
func RMSNormGrad(dx, dscale, dy, x, scale, invrms []float32, rows, c int) {
	rowNormGrad(dx, dscale, nil, dy, x, scale, invrms, rows, c, func(int) float32 { return 0 }, false)
}

func rowNormGrad(dx, dscale, dbias, dy, x, scale, invstd []float32, rows, c int, mean func(i int) float32, centred bool) {
	if c == 0 || rows == 0 {
		return
	}
	params := dscale != nil || dbias != nil
	block := max(16, chunk/c)
	blocks := (rows + block - 1) / block
	var part []float32
	if params {
		buf := getScratch(2 * blocks * c)
		defer putScratch(buf)
		part = (*buf)[:2*blocks*c]
	}
	Parallel(blocks, func(b int) {
		var ds, dt []float32
		if params {
			p := part[2*b*c : 2*(b+1)*c]
			clear(p)
			ds, dt = p[:c], p[c:]
		}
		for i := b * block; i < min((b+1)*block, rows); i++ {
			g, v := dy[i*c:(i+1)*c], x[i*c:(i+1)*c]
			m, r := mean(i), invstd[i]
			if params {
				vec.normParam(ds, dt, g, v, m, r)
			}
			if dx == nil {
				continue
			}
			s, q := vec.normSums(g, v, scale, m, r)
			if !centred {
				s = 0
			}
			vec.normGrad(dx[i*c:(i+1)*c], g, v, scale, m, r, s/float32(c), q/float32(c))
		}
	})
	if !params {
		return
	}
	sums := make([]float32, 2*c)
	joinSums(sums, part, blocks)
	copy(dscale, sums[:c])
	copy(dbias, sums[c:])
}
