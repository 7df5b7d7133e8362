package kernel

// dwGradTile is the inner kernel of the depthwise weight gradient: m
// neighbouring pixels of a row, n channels.
//
//	for t := range xoff {
//		for p := range m {
//			w[woff[t]+c] += x[xoff[t]+p*xs+c] * dy[p*ys+c]
//		}
//	}
type dwGradTile struct {
	x, w, dy   []float32
	xoff, woff []int
	xs, ys     int
}

// depthwiseGradKernel computes a dwGradTile; 1 <= m <= maxRows.
type depthwiseGradKernel func(t *dwGradTile, m, n int)

func depthwiseGradGo(t *dwGradTile, m, n int) {
	for i, off := range t.xoff {
		w := t.w[t.woff[i]:][:n]
		for p := range m {
			x := t.x[off+p*t.xs:][:n]
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
	segs := w.segments()
	all := w.n * w.oh
	parts := max(1, min(all, 32, all*w.ow*w.c/(1<<15)))
	buf := getScratch(parts * size)
	defer putScratch(buf)
	Parallel(parts, func(q int) {
		t := dwGradTile{x: x, w: (*buf)[q*size : (q+1)*size], xs: w.sw * w.c, ys: w.c}
		clear(t.w)
		g0, g1 := part(q, all, parts)
		for g := g0; g < g1; g++ {
			n, y := g/w.oh, g%w.oh
			r0, r1 := clipTaps(y, w.h, w.sh, w.rows)
			for _, s := range segs {
				t.xoff, t.woff = w.tapTable(t.xoff, t.woff, n, y, s.x0, r0, r1, s.s0, s.s1)
				t.dy = dy[(g*w.ow+s.x0)*w.c:]
				cpu.depthwiseGrad(&t, s.x1-s.x0, w.c)
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
