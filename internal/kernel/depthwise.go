package kernel

// dwTile is the inner kernel of depthwise convolutions: m neighbouring pixels
// of a row, n channels.
//
//	sum := bias[c]                          // 0 where bias is empty
//	for t := range xoff {
//		sum += x[xoff[t]+p*xs+c] * w[woff[t]+c]
//	}
//	sum += res[p*ys+c]                      // 0 where res is empty
//	if clip { sum = min(max(sum, lo), hi) }
//	y[p*ys+c] = sum
type dwTile struct {
	x, w, y    []float32
	bias, res  []float32
	xoff, woff []int
	xs, ys     int
	lo, hi     float32
	clip       bool
}

// depthwiseKernel computes a dwTile; 1 <= m <= maxRows.
type depthwiseKernel func(t *dwTile, m, n int)

func depthwiseGo(t *dwTile, m, n int) {
	for p := range m {
		y := t.y[p*t.ys : p*t.ys+n]
		for c := range y {
			var s float32
			if len(t.bias) > 0 {
				s = t.bias[c]
			}
			for i, off := range t.xoff {
				s += t.x[off+p*t.xs+c] * t.w[t.woff[i]+c]
			}
			if len(t.res) > 0 {
				s += t.res[p*t.ys+c]
			}
			if t.clip {
				if s < t.lo {
					s = t.lo
				}
				if s > t.hi {
					s = t.hi
				}
			}
			y[c] = s
		}
	}
}

// packDepthwise transposes weights, channels by taps, to taps by channels.
func packDepthwise(d, w []float32, channels, taps int) {
	for c := range channels {
		for t := range taps {
			d[t*channels+c] = w[c*taps+t]
		}
	}
}

// depthwiseTaps lists the packed weights of some taps in a given order.
func depthwiseTaps(w []float32, channels int, taps []int) []float32 {
	d := make([]float32, 0, len(taps)*channels)
	for _, t := range taps {
		d = append(d, w[t*channels:(t+1)*channels]...)
	}
	return d
}

// clipTaps gives the taps of one axis, first to last, that lie inside of the
// input at output position i.
func clipTaps(i, size, stride int, taps []int) (first, last int) {
	last = len(taps)
	for first < last && i*stride+taps[first] < 0 {
		first++
	}
	for last > first && i*stride+taps[last-1] >= size {
		last--
	}
	return first, last
}

// segment is a stretch of output columns that sum over the same taps s0 to s1.
type segment struct{ x0, x1, s0, s1 int }

// segments cuts an output row where taps fall off the input, and the long middle into tiles.
func (w *window) segments() (segs []segment) {
	for x := 0; x < w.ow; {
		s0, s1 := clipTaps(x, w.w, w.sw, w.cols)
		end := x + 1
		for end < w.ow {
			if a, b := clipTaps(end, w.w, w.sw, w.cols); a != s0 || b != s1 {
				break
			}
			end++
		}
		parts := split(end-x, maxRows)
		for i := range parts {
			a, b := part(i, end-x, parts)
			segs = append(segs, segment{x + a, x + b, s0, s1})
		}
		x = end
	}
	return segs
}

// dwTaps are the taps of a segment: where they lie relative to the first of
// them in the input, and in the packed weights.
type dwTaps struct{ xoff, woff []int }

// dwWalk goes over the segments of output rows.
type dwWalk struct {
	w      *window
	segs   []segment
	taps   []dwTaps // of each segment, for window rows r0 to r1
	r0, r1 int
}

func newDwWalk(w *window) *dwWalk { return &dwWalk{w: w, segs: w.segments(), r0: -1} }

// row calls f for the segments of output row y of image n with the index of
// the first input that they read.
func (d *dwWalk) row(n, y int, f func(s segment, t dwTaps, first int)) {
	w := d.w
	if r0, r1 := clipTaps(y, w.h, w.sh, w.rows); r0 != d.r0 || r1 != d.r1 {
		d.r0, d.r1 = r0, r1
		d.taps = d.taps[:0]
		for _, s := range d.segs {
			var t dwTaps
			for r := r0; r < r1; r++ {
				for q := s.s0; q < s.s1; q++ {
					t.xoff = append(t.xoff, ((w.rows[r]-w.rows[r0])*w.w+w.cols[q]-w.cols[s.s0])*w.c)
					t.woff = append(t.woff, (r*len(w.cols)+q)*w.c)
				}
			}
			d.taps = append(d.taps, t)
		}
	}
	for i, s := range d.segs {
		first := 0
		if len(d.taps[i].xoff) > 0 {
			first = ((n*w.h+y*w.sh+w.rows[d.r0])*w.w + s.x0*w.sw + w.cols[s.s0]) * w.c
		}
		f(s, d.taps[i], first)
	}
}

// channelBlock is how many channels to do at a time: the input rows of a
// window then stay in the first cache, if they are short enough.
func (w *window) channelBlock() int {
	const cache = 1 << 13 // floats
	return max(32, cache/(len(w.rows)*w.ow*w.sw)/16*16)
}

// runDepthwise computes a depthwise window; tasks are stretches of output rows.
func (w *window) runDepthwise(x, weights, y []float32, ep *Epilogue) {
	var e Epilogue
	if ep != nil {
		e = *ep
	}
	lo, hi, clip := e.clip()
	block := w.channelBlock()
	rows := max(1, min(w.oh, (1<<16)/(w.ow*w.c)))
	blocks := split(w.oh, rows)
	Parallel(w.n*blocks, func(i int) {
		n := i / blocks
		y0, y1 := part(i%blocks, w.oh, blocks)
		walk := newDwWalk(w)
		t := dwTile{xs: w.sw * w.c, ys: w.dst.dx * w.c, lo: lo, hi: hi, clip: clip}
		for c0 := 0; c0 < w.c; c0 += block {
			channels := min(block, w.c-c0)
			t.w = weights[c0:]
			if len(e.Bias) > 0 {
				t.bias = e.Bias[c0:]
			}
			for yy := y0; yy < y1; yy++ {
				walk.row(n, yy, func(s segment, taps dwTaps, first int) {
					at := w.dst.pixel(n, yy, s.x0)*w.c + c0
					t.x, t.y = x[first+c0:], y[at:]
					t.xoff, t.woff = taps.xoff, taps.woff
					if len(e.Residual) > 0 {
						t.res = e.Residual[at:]
					}
					cpu.depthwise(&t, s.x1-s.x0, channels)
					if clip || e.Act == ActNone {
						return
					}
					for p := range s.x1 - s.x0 {
						e.activate(t.y[p*t.ys:][:channels])
					}
				})
			}
		}
	})
}
