package kernel

// dwTap is a tap of a depthwise window, relative to the tile's x and w.
type dwTap struct {
	x, w int
	// edge masks the pixels next to a border, all bits or none: 0 to 2 from the left, then
	// the rest of the last three from the right. Pixels of mask 0 do not see the
	// tap. fresh says that the masks are not those of the tap before.
	edge  [6]uint16
	fresh bool
}

// edgePixels is how many pixels at each end of a tile can be masked.
const edgePixels = 3

// edgeOf is the mask that pixel p of m has, or -1.
func edgeOf(p, m int) int {
	switch {
	case p < edgePixels:
		return p
	case p >= m-edgePixels:
		return edgePixels + m - 1 - p
	}
	return -1
}

// sees says whether pixel p of m takes part in the tap.
func (t *dwTap) sees(p, m int) bool {
	e := edgeOf(p, m)
	return e < 0 || t.edge[e] != 0
}

// dwTile is the inner kernel of depthwise convolutions: m neighbouring pixels
// of a row, n channels.
//
//	sum := bias[c]                          // 0 where bias is empty
//	for t := range taps {
//		if t.sees(p, m) { sum += x[t.x+p*xs+c] * w[t.w+c] }
//	}
//	sum += res[p*ys+c]                      // 0 where res is empty
//	if clip { sum = min(max(sum, lo), hi) }
//	y[p*ys+c] = sum
type dwTile struct {
	x, w, y   []float32
	bias, res []float32
	taps      []dwTap
	xs, ys    int
	lo, hi    float32
	clip      bool
	ws        int // of sliding kernels
}

// Sliding kernels compute the same for windows whose columns are neighbours: each
// input is loaded once for all of them. Their taps are window rows, xs is the
// step from input to input, ws that from column to column of the weights, and edge
// masks inputs:
//
//	for t := range taps, s := range columns {
//		i := p*stride + s
//		if t.sees(i, (m-1)*stride+columns) { sum += x[t.x+i*xs+c] * w[t.w+s*ws+c] }
//	}
type slidingKernels struct {
	forward depthwiseKernel
	grad    depthwiseGradKernel
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
			for i := range t.taps {
				if tap := &t.taps[i]; tap.sees(p, m) {
					s += t.x[tap.x+p*t.xs+c] * t.w[tap.w+c]
				}
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

// clipTaps returns the first and last tap of one axis that are inside the input at output position
// i.
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

// segment is a stretch of output columns done as one tile.
type segment struct{ x0, x1 int }

// segments cuts an output row into tiles: evenly, if the pixels that miss taps
// are few enough to be masked, else also wherever the taps change.
func (w *window) segments() []segment {
	segs := tiles(nil, 0, w.ow)
	masked := true
	for _, s := range segs {
		for x := s.x0; x < s.x1; x++ {
			s0, s1 := clipTaps(x, w.w, w.sw, w.cols)
			masked = masked && (edgeOf(x-s.x0, s.x1-s.x0) >= 0 || s0 == 0 && s1 == len(w.cols))
		}
	}
	if masked && cpu.edges {
		return segs
	}
	segs = segs[:0]
	for x := 0; x < w.ow; {
		s0, s1 := clipTaps(x, w.w, w.sw, w.cols)
		end := x + 1
		for end < w.ow {
			if a, b := clipTaps(end, w.w, w.sw, w.cols); a != s0 || b != s1 {
				break
			}
			end++
		}
		segs = tiles(segs, x, end)
		x = end
	}
	return segs
}

func tiles(segs []segment, x0, x1 int) []segment {
	parts := split(x1-x0, maxRows)
	for i := range parts {
		a, b := part(i, x1-x0, parts)
		segs = append(segs, segment{x0 + a, x0 + b})
	}
	return segs
}

// origin is the input column that offsets of a segment are relative to: the
// first that its first pixel reads, or the nearest that exists.
func (w *window) origin(s segment) int {
	return min(max(s.x0*w.sw+w.cols[0], 0), w.w-1)
}

// taps lists the taps of window rows r0 to r1 for a segment, relative to origin.
// Taps of one column follow each other, since they have the same masks.
func (w *window) taps(s segment, r0, r1 int) (taps []dwTap, origin int) {
	m := s.x1 - s.x0
	origin = w.origin(s)
	for q, col := range w.cols {
		t := dwTap{fresh: true}
		seen := false
		for p := range m {
			if at := (s.x0+p)*w.sw + col; at < 0 || at >= w.w {
				continue
			}
			seen = true
			if e := edgeOf(p, m); e >= 0 {
				t.edge[e] = 0xffff
			}
		}
		if !seen {
			continue
		}
		if len(taps) > 0 && taps[len(taps)-1].edge == t.edge {
			t.fresh = false
		}
		for r := r0; r < r1; r++ {
			t.x = ((w.rows[r]-w.rows[r0])*w.w + s.x0*w.sw + col - origin) * w.c
			t.w = (r*len(w.cols) + q) * w.c
			taps = append(taps, t)
			t.fresh = false
		}
	}
	return taps, origin
}

// dwWalk goes over the segments of output rows. Many goroutines may use it at once.
type dwWalk struct {
	shape Conv2D // without the number of images
	w     *window
	segs  []segment
	lists [][]tapList // of each segment, by the window rows that lie inside, see listOf

	forward depthwiseKernel
	grad    depthwiseGradKernel
	xs      int
	slides  bool
}

// walk returns the walk of a depthwise convolution. It is kept for the next call.
func (p *PackedConv) walk(v Conv2D) *dwWalk {
	v.N, v.ChosenFor = 0, 0
	if d := p.walked.Load(); d != nil && d.shape == v {
		return d
	}
	w := v.forward()
	d := newDwWalk(&w)
	d.shape = v
	p.walked.Store(d)
	return d
}

// tapList is the taps of a segment, relative to an input column.
type tapList struct {
	taps   []dwTap
	origin int
}

func newDwWalk(w *window) *dwWalk {
	d := &dwWalk{w: w, forward: cpu.depthwise, grad: cpu.depthwiseGrad, xs: w.sw * w.c}
	if k, ok := cpu.sliding[[2]int{len(w.cols), w.sw}]; ok {
		d.segs = tiles(nil, 0, w.ow)
		d.slides = w.slides(d.segs)
		if d.slides {
			d.forward, d.grad, d.xs = k.forward, k.grad, w.c
		}
	}
	list := w.slideTaps
	if !d.slides {
		d.segs, list = w.segments(), w.taps
	}
	d.lists = make([][]tapList, (len(w.rows)+1)*(len(w.rows)+1))
	for y := range w.oh {
		r0, r1 := clipTaps(y, w.h, w.sh, w.rows)
		lists := &d.lists[w.listOf(r0, r1)]
		if *lists != nil {
			continue
		}
		for _, s := range d.segs {
			taps, origin := list(s, r0, r1)
			*lists = append(*lists, tapList{taps, origin})
		}
	}
	return d
}

// listOf is the place in dwWalk.lists of the window rows r0 to r1.
func (w *window) listOf(r0, r1 int) int { return r0*(len(w.rows)+1) + r1 }

// slides says whether sliding kernels fit: columns side by side, and no inputs
// missing but those that can be masked.
func (w *window) slides(segs []segment) bool {
	for i, col := range w.cols {
		if col != w.cols[0]+i {
			return false
		}
	}
	for _, s := range segs {
		count := (s.x1-s.x0-1)*w.sw + len(w.cols)
		for i := range count {
			if at := s.x0*w.sw + w.cols[0] + i; (at < 0 || at >= w.w) && edgeOf(i, count) < 0 {
				return false
			}
		}
	}
	return true
}

// slideTaps lists the window rows r0 to r1 for a sliding kernel, as taps does.
func (w *window) slideTaps(s segment, r0, r1 int) (taps []dwTap, origin int) {
	count := (s.x1-s.x0-1)*w.sw + len(w.cols)
	first := s.x0*w.sw + w.cols[0]
	origin = w.origin(s)
	var t dwTap
	for i := range count {
		if e := edgeOf(i, count); e >= 0 && first+i >= 0 && first+i < w.w {
			t.edge[e] = 0xffff
		}
	}
	for r := r0; r < r1; r++ {
		t.x = ((w.rows[r]-w.rows[r0])*w.w + first - origin) * w.c
		t.w = r * len(w.cols) * w.c
		taps = append(taps, t)
	}
	return taps, origin
}

// row calls f for the segments of output row y of image n with the index in
// the input that the taps are relative to.
func (d *dwWalk) row(n, y int, f func(s segment, taps []dwTap, x int)) {
	w := d.w
	r0, r1 := clipTaps(y, w.h, w.sh, w.rows)
	lists := d.lists[w.listOf(r0, r1)]
	for i, s := range d.segs {
		x, l := 0, lists[i]
		if len(l.taps) > 0 {
			x = ((n*w.h+y*w.sh+w.rows[r0])*w.w + l.origin) * w.c
		}
		f(s, l.taps, x)
	}
}

// channelBlock is how many channels to do at a time: the input rows of a
// window then stay in the first cache, if they are short enough.
func (w *window) channelBlock() int {
	const cache = 1 << 13 // floats
	return max(32, cache/(len(w.rows)*w.ow*w.sw)/16*16)
}

// runDepthwise computes a depthwise window; tasks are stretches of output rows.
func (w *window) runDepthwise(walk *dwWalk, x, weights, y []float32, ep *Epilogue) {
	var e Epilogue
	if ep != nil {
		e = *ep
	}
	rows := max(1, min(w.oh, (1<<16)/(w.ow*w.c)))
	blocks := max(split(w.oh, rows), min(w.oh, split(worthTasks(w.n*w.oh*w.ow*w.c*len(w.rows)*len(w.cols)), w.n)))
	Parallel(w.n*blocks, func(i int) {
		y0, y1 := part(i%blocks, w.oh, blocks)
		w.depthwiseRows(walk, i/blocks, y0, y1, 0, x, weights, y, &e)
	})
}

// depthwiseRows computes output rows y0 to y1 of image n from x, which starts at input row x0.
func (w *window) depthwiseRows(walk *dwWalk, n, y0, y1, x0 int, x, weights, y []float32, e *Epilogue) {
	lo, hi, clip := e.clip()
	finish := e.finishes()
	block := w.channelBlock()
	first := x0 * w.w * w.c
	t := dwTile{xs: walk.xs, ys: w.dst.dx * w.c, lo: lo, hi: hi, clip: clip, ws: w.c}
	for c0 := 0; c0 < w.c; c0 += block {
		channels := min(block, w.c-c0)
		t.w = weights[c0:]
		if len(e.Bias) > 0 {
			t.bias = e.Bias[c0:]
		}
		for yy := y0; yy < y1; yy++ {
			walk.row(n, yy, func(s segment, taps []dwTap, from int) {
				at := w.dst.pixel(n, yy, s.x0)*w.c + c0
				t.x, t.y, t.taps = nil, y[at:], taps
				if len(taps) > 0 {
					t.x = x[from-first+c0:]
				}
				if len(e.Residual) > 0 {
					t.res = e.Residual[at:]
				}
				walk.forward(&t, s.x1-s.x0, channels)
				if finish {
					e.activateRows(t.y, s.x1-s.x0, t.ys, channels)
				}
			})
		}
	}
}
