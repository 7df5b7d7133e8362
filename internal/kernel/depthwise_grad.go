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
	block := w.channelBlock()
	all := w.n * w.oh
	parts := max(1, min(all, 32, all*w.ow*w.c/(1<<15)))
	buf := getScratch(parts * size)
	defer putScratch(buf)
	Parallel(parts, func(q int) {
		sum := (*buf)[q*size : (q+1)*size]
		clear(sum)
		walk := newDwWalk(w)
		t := dwGradTile{xs: w.sw * w.c, ys: w.c}
		g0, g1 := part(q, all, parts)
		for c0 := 0; c0 < w.c; c0 += block {
			t.w = sum[c0:]
			for g := g0; g < g1; g++ {
				walk.row(g/w.oh, g%w.oh, func(s segment, taps dwTaps, first int) {
					t.x, t.dy = x[first+c0:], dy[(g*w.ow+s.x0)*w.c+c0:]
					t.xoff, t.woff = taps.xoff, taps.woff
					cpu.depthwiseGrad(&t, s.x1-s.x0, min(block, w.c-c0))
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
