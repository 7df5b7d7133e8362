package kernel

// dwGradTile is the inner kernel of the depthwise weight gradient: m
// neighbouring pixels of a row, n channels.
//
//	for t := range taps {
//		for p := range m {
//			if t.sees(p, m) { w[t.w+c] += x[t.x+p*xs+c] * dy[p*ys+c] }
//		}
//	}
type dwGradTile struct {
	x, w, dy []float32
	taps     []dwTap
	xs, ys   int
	ws       int // of sliding kernels
}

// depthwiseGradKernel computes a dwGradTile; 1 <= m <= maxRows.
type depthwiseGradKernel func(t *dwGradTile, m, n int)

func depthwiseGradGo(t *dwGradTile, m, n int) {
	for i := range t.taps {
		tap := &t.taps[i]
		w := t.w[tap.w:][:n]
		for p := range m {
			if !tap.sees(p, m) {
				continue
			}
			x := t.x[tap.x+p*t.xs:][:n]
			for c, g := range t.dy[p*t.ys:][:n] {
				w[c] += x[c] * g
			}
		}
	}
}

// gradDepthwise splits the output rows of all images into fixed parts, each
// with a partial gradient of taps by channels.
func (w *window) gradDepthwise(x, dy []float32, acc bool, dw []float32) {
	taps := len(w.rows) * len(w.cols)
	size := taps * w.c
	block := w.channelBlock()
	all := w.n * w.oh
	parts := max(1, min(all, 32, all*w.ow*w.c/(1<<15)))
	buf := getScratch(parts * size)
	defer putScratch(buf)
	walk := newDwWalk(w)
	Parallel(parts, func(q int) {
		sum := (*buf)[q*size : (q+1)*size]
		clear(sum)
		t := dwGradTile{xs: walk.xs, ys: w.c, ws: w.c}
		g0, g1 := part(q, all, parts)
		for c0 := 0; c0 < w.c; c0 += block {
			t.w = sum[c0:]
			for g := g0; g < g1; g++ {
				walk.row(g/w.oh, g%w.oh, func(s segment, taps []dwTap, from int) {
					t.x, t.dy, t.taps = x[from+c0:], dy[(g*w.ow+s.x0)*w.c+c0:], taps
					walk.grad(&t, s.x1-s.x0, min(block, w.c-c0))
				})
			}
		}
	})
	sum := (*buf)[:size]
	for q := 1; q < parts; q++ {
		vec.add(sum, sum, (*buf)[q*size:(q+1)*size])
	}
	for c := range w.c {
		for t := range taps {
			d := &dw[c*taps+t]
			if acc {
				*d += sum[t*w.c+c]
			} else {
				*d = sum[t*w.c+c]
			}
		}
	}
}
