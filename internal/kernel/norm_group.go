package kernel

import "math"

// GroupNorm normalises each example's groups of channels over positions and
// channels: x has shape [n, hw, c] (NHWC), group k is channels k*c/groups to
// (k+1)*c/groups, and y = (x-mean)*invstd*scale + bias with scale and bias of c
// values. mean and invstd have shape [n, groups] and are always written. Instance norm is
// groups = c.
func GroupNorm(y, x, scale, bias, mean, invstd []float32, eps float32, n, hw, c, groups int) {
	if n*hw*c == 0 {
		return
	}
	w := c / groups
	Parallel(n, func(i int) {
		buf := getScratch(4 * c)
		defer putScratch(buf)
		s, t := (*buf)[:c], (*buf)[c:2*c]
		v := x[i*hw*c : (i+1)*hw*c]
		BatchNormStats(s, t, v, hw)
		for k := range groups {
			var m, q float64
			for j := k * w; j < (k+1)*w; j++ {
				m += float64(s[j])
			}
			m /= float64(w)
			for j := k * w; j < (k+1)*w; j++ {
				d := float64(s[j]) - m
				q += float64(t[j]) + d*d
			}
			r := 1 / math.Sqrt(q/float64(w)+float64(eps))
			mean[i*groups+k], invstd[i*groups+k] = float32(m), float32(r)
			for j := k * w; j < (k+1)*w; j++ {
				a := float64(scale[j]) * r
				s[j], t[j] = float32(a), float32(float64(bias[j])-m*a)
			}
		}
		ScaleShift(y[i*hw*c:(i+1)*hw*c], v, s, t, hw, nil, false)
	})
}

// GroupNormGrad is the gradient of GroupNorm; see LayerNormGrad for the formula.
// dx may be nil where it is not needed, and it may be dy.
func GroupNormGrad(dx, dscale, dbias, dy, x, scale, mean, invstd []float32, n, hw, c, groups int) {
	if n*hw*c == 0 {
		clear(dscale)
		clear(dbias)
		return
	}
	w := c / groups
	buf := getScratch(2 * n * c)
	defer putScratch(buf)
	part := (*buf)[:2*n*c] // per example: dbias, dscale
	Parallel(n, func(i int) {
		buf := getScratch(6 * c)
		defer putScratch(buf)
		m, a, b, d := (*buf)[:c], (*buf)[c:2*c], (*buf)[2*c:3*c], (*buf)[3*c:4*c]
		sums := (*buf)[4*c : 6*c]
		for j := range c {
			m[j] = mean[i*groups+j/w]
		}
		g, v := dy[i*hw*c:(i+1)*hw*c], x[i*hw*c:(i+1)*hw*c]
		colGradSums(sums, g, v, m, hw)
		p := part[2*i*c : 2*(i+1)*c]
		for k := range groups {
			r := float64(invstd[i*groups+k])
			var sg, sh float64
			for j := k * w; j < (k+1)*w; j++ {
				h := float64(sums[c+j]) * r
				p[j], p[c+j] = sums[j], float32(h)
				sg += float64(scale[j]) * float64(sums[j])
				sh += float64(scale[j]) * h
			}
			size := float64(w * hw)
			bk := -r * r * sh / size
			dk := -r*sg/size - bk*float64(mean[i*groups+k])
			for j := k * w; j < (k+1)*w; j++ {
				a[j], b[j], d[j] = float32(r*float64(scale[j])), float32(bk), float32(dk)
			}
		}
		if dx == nil {
			return
		}
		rowChunks(hw, c, func(lo, hi int) {
			vec.colAffine2(dx[(i*hw+lo)*c:(i*hw+hi)*c], g[lo*c:hi*c], v[lo*c:hi*c], a, b, d)
		})
	})
	sums := make([]float32, 2*c)
	joinSums(sums, part, n)
	copy(dbias, sums[:c])
	copy(dscale, sums[c:])
}

// colGradSums writes, for each column, sum(g) and after them sum(g*(x-m)).
func colGradSums(sums, g, x, m []float32, rows int) {
	c := len(m)
	block := colBlock(c)
	blocks := (rows + block - 1) / block
	buf := getScratch(2 * blocks * c)
	defer putScratch(buf)
	part := (*buf)[:2*blocks*c]
	Parallel(blocks, func(b int) {
		lo, hi := b*block*c, min((b+1)*block, rows)*c
		p := part[2*b*c : 2*(b+1)*c]
		clear(p)
		vec.colGrad(p[:c], p[c:], g[lo:hi], x[lo:hi], m)
	})
	joinSums(sums, part, blocks)
}
