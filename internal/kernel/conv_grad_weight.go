package kernel

// ConvGradWeight computes dw (K by C/Groups by R by S), the gradient for the
// weights, from the input x and the output's gradient dy; it adds to dw where acc.
//
//	dw[k,c,r,s] += sum over n, oh, ow of dy[n,oh,ow,k] * x[n,ih,iw,g*C/Groups+c]
//
// The sum over pixels is split at fixed places and added up in a fixed order.
func ConvGradWeight(v Conv2D, x, dy []float32, acc bool, dw []float32) {
	v = v.norm()
	switch {
	case v.skips():
		buf := getScratch(v.N * v.OutH() * v.OutW() * v.C)
		defer putScratch(buf)
		ConvGradWeight(v.pick(x, *buf), *buf, dy, acc, dw)
	case v.pointwise() && !v.manyPixels():
		pixels := v.N * v.H * v.W
		Gemm(true, false, v.K, v.C, pixels, dy, v.K, x, v.C, acc, dw, v.C, nil)
	case v.depthwise():
		win := v.forward()
		win.gradDepthwise(x, dy, acc, dw)
	case v.winograd() && v.C+v.K > 32:
		win := v.forward()
		buf := getScratch(v.WLen())
		defer putScratch(buf)
		winogradGradWeight(v, x, dy, *buf)
		win.storeGrad(dw, *buf, 1, acc)
	default:
		win := v.forward()
		win.gradWeight(x, dy, acc, dw)
	}
}

// skips says whether a convolution of 1 by 1 leaves pixels out.
func (v Conv2D) skips() bool {
	dense := v
	dense.StrideH, dense.StrideW = 1, 1
	return dense.pointwise() && !v.pointwise()
}

// pick copies the pixels that v reads to dst, and gives the convolution of these alone.
func (v Conv2D) pick(x, dst []float32) Conv2D {
	oh, ow := v.OutH(), v.OutW()
	Parallel(v.N*oh, func(i int) {
		from := x[(i/oh*v.H+i%oh*v.StrideH)*v.W*v.C:]
		for p := range ow {
			copy(dst[(i*ow+p)*v.C:][:v.C], from[p*v.StrideW*v.C:])
		}
	})
	v.H, v.W, v.StrideH, v.StrideW = oh, ow, 1, 1
	return v
}

// manyPixels says of a 1x1 convolution that its weights are few and its pixels many. The gradient of
// its weights then takes blocks of pixels that stay in the second cache as they are: a product would
// pack the inputs, and read a column of gradients for every row of its result.
func (v Conv2D) manyPixels() bool {
	return v.N*v.H*v.W >= 4*depthBlock && v.K*v.C <= 1<<16 && 8*split(v.K, cpu.nr)*cpu.nr <= 9*v.K
}

// ConvGradBias computes db[k], the sum of dy over all pixels; it adds to db where acc.
func ConvGradBias(v Conv2D, dy []float32, acc bool, db []float32) {
	SumColumns(v.N*v.OutH()*v.OutW(), v.K, dy, v.K, acc, db)
}

// SumColumns computes the column sums of a matrix with rows ld apart. If acc is set it adds to sum.
func SumColumns(rows, cols int, x []float32, ld int, acc bool, sum []float32) {
	parts := max(1, min(64, rows*cols/(1<<14)))
	buf := getScratch(parts * cols)
	defer putScratch(buf)
	Parallel(parts, func(q int) {
		s := (*buf)[q*cols : (q+1)*cols]
		clear(s)
		r0, r1 := part(q, rows, parts)
		if ld == cols {
			vec.colSum(s, x[r0*cols:r1*cols])
			return
		}
		for r := r0; r < r1; r++ {
			vec.add(s, s, x[r*ld:r*ld+cols])
		}
	})
	sumParts(sum[:cols], (*buf)[:parts*cols], acc)
}

// sumParts adds the rows of parts, each as long as dst, in order.
func sumParts(dst, parts []float32, acc bool) {
	if !acc {
		clear(dst)
	}
	for len(parts) > 0 {
		vec.add(dst, dst, parts[:len(dst)])
		parts = parts[len(dst):]
	}
}

// gradBlock is how many floats of x and dy a step of the weight gradient reads.
const gradBlock = 1 << 16

// gradWeight splits the output rows of all images into parts with a partial
// gradient each, and the output channels where the gradient exceeds a cache.
// Partial gradients are groups by taps by C/groups by K/groups.
func (w *window) gradWeight(x, dy []float32, acc bool, dw []float32) {
	kg, cg, taps := w.k/w.groups, w.c/w.groups, len(w.rows)*len(w.cols)
	size := w.k * cg * taps
	panels := w.groups * split(kg, cpu.nr)
	groups := min(panels, split(size, 1<<17))
	all := w.n * w.oh
	parts := min(all, split(16, groups))
	// Rows of a step, at least one.
	step := max(1, min(split(all, parts), gradBlock/(w.ow*(w.k+w.sh*w.sw*w.c))))

	buf := getScratch(parts * size)
	defer putScratch(buf)
	Parallel(groups*parts, func(i int) {
		q := i % parts
		p0, p1 := part(i/parts, panels, groups)
		t := gradTile{w: w, sum: (*buf)[q*size : (q+1)*size]}
		t.bks = w.k
		if w.padded() {
			// Pieces of several images: a row takes its window, or the stride where that is longer.
			b := getScratch(step * max(w.viewLen(1), w.viewLen(2)-w.viewLen(1)))
			defer putScratch(b)
			t.buf = *b
		}
		g0, g1 := part(q, all, parts)
		for g := g0; g < g1; g += step {
			t.acc = g > g0
			t.rows(x, dy, g, min(g+step, g1), p0, p1)
		}
	})
	w.storeGrad(dw, *buf, parts, acc)
}

// storeGrad adds the parts and writes them in the order of ONNX.
func (w *window) storeGrad(dw, sums []float32, parts int, acc bool) {
	kg, cg, taps := w.k/w.groups, w.c/w.groups, len(w.rows)*len(w.cols)
	size := w.k * cg * taps
	block := 16 // input channels of a task
	blocks := split(cg, block)
	Parallel(w.groups*blocks, func(i int) {
		g, c0 := i/blocks, i%blocks*block
		c1 := min(c0+block, cg)
		at := func(t, c int) int { return ((g*taps+t)*cg + c) * kg }
		for t := range taps {
			sum := sums[at(t, c0) : at(t, c1-1)+kg]
			for q := 1; q < parts; q++ {
				vec.add(sum, sum, sums[q*size+at(t, c0):][:len(sum)])
			}
		}
		for k := 0; k < kg; k += 16 {
			n := min(16, kg-k)
			if taps == 1 {
				storeAcross(dw[((g*kg+k)*cg+c0):], cg, sums[at(0, c0)+k:], kg, c1-c0, n, acc)
				continue
			}
			for c := c0; c < c1; c++ {
				for t := 0; t < taps; t += 16 {
					storeAcross(dw[((g*kg+k)*cg+c)*taps+t:], cg*taps, sums[at(t, c)+k:], cg*kg, min(16, taps-t), n, acc)
				}
			}
		}
	})
}

// storeAcross transposes rows by cols values to rows ldd apart.
func storeAcross(dst []float32, ldd int, src []float32, ld, rows, cols int, acc bool) {
	var off [16]int
	for i := range off {
		off[i] = i * ldd
	}
	cpu.transpose(dst, &off, src, ld, rows, cols, rows, acc)
}

// gradTile computes a weight gradient with one tile: its rows are input
// channels (of neighbouring taps), its columns output channels, its sum
// runs over the pixels of output rows.
type gradTile struct {
	tile
	w   *window
	sum []float32
	buf []float32
}

// rows adds the output rows g0 to g1, counted over all images, of panels p0 to p1.
func (t *gradTile) rows(x, dy []float32, g0, g1, p0, p1 int) {
	w := t.w
	var v view
	var starts []int
	buf := t.buf
	for g := g0; g < g1; {
		n, y := g/w.oh, g%w.oh
		end := min(w.oh, y+g1-g)
		v = w.view(x, n, y, end, buf)
		base := v.origin
		if len(t.buf) > 0 {
			base += len(t.buf) - len(buf)
			buf = buf[w.viewLen(end-y):]
		}
		for i := range end - y {
			starts = append(starts, base+i*w.sh*v.row)
		}
		g += end - y
	}
	data := x
	if len(t.buf) > 0 {
		data = t.buf
	}
	taps, depth := w.runs(&v)
	t.offs, t.runLen = starts, w.ow
	t.ars, t.acs = 1, w.sw*v.pixel
	kg, cg := w.k/w.groups, w.c/w.groups
	per := split(kg, cpu.nr)
	size := len(taps) * depth * kg // of a group
	tiles := split(depth, cpu.mr)
	for r, off := range taps {
		for i := range tiles {
			i0, i1 := part(i, depth, tiles)
			for k := range i1 - i0 {
				t.crow[k] = k * kg
			}
			for p := p0; p < p1; p++ {
				g, j := p/per, p%per*cpu.nr
				t.a = data[off+g*cg+i0:]
				t.b = dy[g0*w.ow*w.k+g*kg+j:]
				t.c = t.sum[g*size+(r*depth+i0)*kg+j:]
				cpu.tile(&t.tile, i1-i0, min(cpu.nr, kg-j))
			}
		}
	}
}
