package kernel

// NormAct is the activation that ends a fused batch normalisation.
type NormAct struct {
	Act    Activation // ActNone, ActRelu, ActClip, ActSilu, ActHardSwish or ActGelu
	Lo, Hi float32    // of ActClip
}

// FromOutput reports whether the activation's derivative reads the output; else it reads the input.
func (a NormAct) FromOutput() bool { return a.Act == ActRelu || a.Act == ActClip }

// forward is y = act(y).
func (a NormAct) forward(y []float32) {
	switch a.Act {
	case ActRelu:
		vec.relu(y, y)
	case ActClip:
		vec.clip(y, y, a.Lo, a.Hi)
	case ActSilu:
		vec.silu(y, y)
	case ActHardSwish:
		vec.hardSwish(y, y)
	case ActGelu:
		vec.gelu(y, y)
	}
}

// backward is g = dy * act'(v), v being the output or the input (see FromOutput).
func (a NormAct) backward(g, dy, v []float32) {
	switch a.Act {
	case ActRelu:
		vec.reluGrad(g, dy, v)
	case ActClip:
		vec.clipGrad(g, dy, v, a.Lo, a.Hi)
	case ActSilu:
		vec.siluGrad(g, dy, v)
	case ActHardSwish:
		vec.hardSwishGrad(g, dy, v)
	case ActGelu:
		vec.geluGrad(g, dy, v)
	default:
		copy(g, dy)
	}
}

// BatchNormAct normalises each channel of rows rows by the statistics of the batch, adds res where
// it is not nil, and ends in an activation, in one pass over memory behind the statistics:
//
//	y = act((x-mean)*invstd*scale + bias + res)
//
// It writes mean, biased variance and invstd as BatchNormTrain does. y may be x or res.
func BatchNormAct(y, x, scale, bias, mean, variance, invstd []float32, eps float32, rows int, res []float32, act NormAct) {
	c := len(scale)
	BatchNormStats(mean, variance, x, rows)
	InvStd(invstd, variance, eps)
	s, t := make([]float32, c), make([]float32, c)
	NormScaleShift(s, t, scale, bias, mean, invstd)
	if c == 0 {
		return
	}
	rowChunks(rows, c, func(lo, hi int) {
		var r []float32
		if res != nil {
			r = res[lo*c : hi*c]
		}
		vec.colAffine(y[lo*c:hi*c], x[lo*c:hi*c], s, t, r, act.Act == ActRelu)
		if act.Act != ActRelu {
			act.forward(y[lo*c : hi*c])
		}
	})
}

// BatchNormActGrad is the gradient of BatchNormAct. With z the activation's input and
// g = dy * act'(z), which goes to dres where that is not nil:
//
//	dbias = sum(g), dscale = sum(g*(x-mean))*invstd
//	dx = scale*invstd*(g - dbias/rows - (x-mean)*invstd*dscale/rows)
//
// y is the output, which relu and clip read; the other activations read z, which is computed again
// from x and takes no residual: y may then be nil. dx may be nil where it is not needed, and may be
// dy.
func BatchNormActGrad(dx, dres, dscale, dbias, dy, y, x, scale, bias, mean, invstd []float32, rows int, act NormAct) {
	c := len(scale)
	if c == 0 || rows == 0 {
		return
	}
	s, t := make([]float32, c), make([]float32, c)
	NormScaleShift(s, t, scale, bias, mean, invstd)
	// grad writes g for the elements [lo,hi); tmp holds z.
	grad := func(g, tmp []float32, lo, hi int) {
		if act.FromOutput() {
			act.backward(g, dy[lo:hi], y[lo:hi])
			return
		}
		if act.Act == ActNone {
			copy(g, dy[lo:hi])
			return
		}
		vec.colAffine(tmp, x[lo:hi], s, t, nil, false)
		act.backward(g, dy[lo:hi], tmp)
	}
	block := colBlock(c)
	blocks := (rows + block - 1) / block
	buf := getScratch(2 * blocks * c)
	defer putScratch(buf)
	part := (*buf)[:2*blocks*c]
	Parallel(blocks, func(b int) {
		lo, hi := b*block*c, min((b+1)*block, rows)*c
		tmp := getScratch(2 * (hi - lo))
		defer putScratch(tmp)
		g := (*tmp)[:hi-lo]
		if dres != nil {
			g = dres[lo:hi]
		}
		grad(g, (*tmp)[hi-lo:2*(hi-lo)], lo, hi)
		p := part[2*b*c : 2*(b+1)*c]
		clear(p)
		vec.colGrad(p[:c], p[c:], g, x[lo:hi], mean)
	})
	sums := make([]float32, 2*c)
	joinSums(sums, part, blocks)
	coef := batchNormCoef(sums, dscale, dbias, scale, mean, invstd, rows)
	if dx == nil {
		return
	}
	Parallel(blocks, func(b int) {
		lo, hi := b*block*c, min((b+1)*block, rows)*c
		var g []float32
		if dres != nil {
			g = dres[lo:hi]
		} else {
			tmp := getScratch(2 * (hi - lo))
			defer putScratch(tmp)
			g = (*tmp)[:hi-lo]
			grad(g, (*tmp)[hi-lo:2*(hi-lo)], lo, hi)
		}
		vec.colAffine2(dx[lo:hi], g, x[lo:hi], coef[:c], coef[c:2*c], coef[2*c:])
	})
}

// batchNormCoef finishes the gradients of scale and bias from the sums of g and g*(x-mean), and
// gives the coefficients of dx = a*g + b*x + c.
func batchNormCoef(sums, dscale, dbias, scale, mean, invstd []float32, rows int) []float32 {
	c := len(scale)
	coef := make([]float32, 3*c)
	n := 1 / float64(rows)
	for j := range c {
		r := float64(invstd[j])
		dbias[j] = sums[j]
		dscale[j] = float32(float64(sums[c+j]) * r)
		a := float64(scale[j]) * r
		b := -a * r * r * float64(sums[c+j]) * n
		coef[j] = float32(a)
		coef[c+j] = float32(b)
		coef[2*c+j] = float32(-a*float64(sums[j])*n - b*float64(mean[j]))
	}
	return coef
}
