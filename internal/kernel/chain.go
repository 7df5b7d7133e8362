package kernel

// ChainLink is one convolution of a chain: weights from PackConv, an epilogue or nil. Only the last
// link's epilogue may have a residual.
type ChainLink struct {
	Conv Conv2D
	W    *PackedConv
	Ep   *Epilogue
}

// ConvChain runs convolutions one after the other, each on the result of the one before:
//
//	for _, l := range links {
//		y := ConvForward(l.Conv, x, l.W, l.Ep)
//		x = y
//	}
//
// with the same bits, but a band of rows at a time: rows that a later link is still to read stay in
// a buffer that fits the second cache, and no result but the last is ever whole. Links are those
// that CanChain accepts; x and y are the first input and the last result, which must not overlap.
//
// mean, if not nil, gets the mean of each channel of each image of y, N by K, as GlobalAvgPool
// does.
func ConvChain(links []ChainLink, x, y, mean []float32) {
	runChain(links, x, y, mean, bandHeight(chainShapes(links)))
}

func chainShapes(links []ChainLink) (shapes []Conv2D) {
	for _, l := range links {
		shapes = append(shapes, l.Conv.norm())
	}
	return shapes
}

// runChain computes bands of height rows.
func runChain(links []ChainLink, x, y, mean []float32, height int) {
	shapes := chainShapes(links)
	first, last := shapes[0], shapes[len(shapes)-1]
	rows, row := last.OutH(), last.OutW()*last.K
	parts := chainParts(last.N, rows)
	most := split(split(rows, parts), height) // bands of a task
	var sums []float32                        // of each band
	if mean != nil {
		buf := getScratch(last.N * parts * most * last.K)
		defer putScratch(buf)
		sums = (*buf)[:last.N*parts*most*last.K]
	}
	Parallel(last.N*parts, func(i int) {
		n := i / parts
		buf := getScratch(chainBuffer(shapes, height))
		defer putScratch(buf)
		image := x[n*first.H*first.W*first.C : (n+1)*first.H*first.W*first.C]
		s := newChainStage(links, shapes, n, image, height, *buf)
		out := y[n*rows*row : (n+1)*rows*row]
		r0, r1 := part(i%parts, rows, parts)
		for b := range most {
			b0, b1 := part(b, r1-r0, most)
			s.run(r0+b0, r0+b1, out, 0)
			if mean != nil {
				sum := sums[(i*most+b)*last.K:][:last.K]
				clear(sum)
				vec.colSum(sum, out[(r0+b0)*row:(r0+b1)*row])
			}
		}
	})
	if mean != nil {
		joinAll(mean, sums, last.N, parts*most, last.K)
		scaleSpan(mean, mean, 1/float32(rows*last.OutW()))
	}
}

// CanChain says whether ConvChain runs the convolutions as a chain: each takes what the one before
// gives, and those after the first are depthwise or of 1 by 1 with stride 1.
func CanChain(shapes ...Conv2D) bool {
	for i, v := range shapes {
		v = v.norm()
		if i == 0 {
			continue
		}
		u := shapes[i-1]
		if !v.pointwise() && !v.depthwise() || v.N != u.N || v.H != u.OutH() || v.W != u.OutW() || v.C != u.K {
			return false
		}
	}
	return len(shapes) > 0
}

// PackLink packs the weights of a link: for a plain sum, which goes row by row, never for Winograd's.
func PackLink(v Conv2D, w []float32) *PackedConv {
	return (&PackedConv{shape: v.norm()}).first(w)
}

// ChainPays reports whether a chain is faster than its separate links. This is so if the results
// between them do not fit the cache, the chain's rows and weights do, and the first link is not
// suitable for Winograd's algorithm.
func ChainPays(shapes ...Conv2D) bool {
	between, weights := 0, 0
	for i, v := range shapes {
		if i+1 < len(shapes) {
			between += v.YLen()
		}
		weights += v.WLen()
	}
	return !shapes[0].norm().winograd() && between > chainCache && weights <= chainCache/8*3 && chainBuffer(shapes, 1) <= chainCache
}

// chainCache is about half of a core's second cache, in floats.
const chainCache = 1 << 17

// chainParts is the number of tasks that an image's rows are cut into. Rows at a cut are computed
// for both sides.
func chainParts(images, rows int) int { return max(1, min(split(16, images), rows/7)) }

// reads gives the rows of the input that output rows a to b read.
func (v Conv2D) reads(a, b int) (lo, hi int) {
	return max(0, a*v.StrideH-v.PadT), min(v.H, (b-1)*v.StrideH-v.PadT+(v.R-1)*v.DilH+1)
}

// bandRows is the number of rows of each link's result that a band of height rows of the last
// needs.
func bandRows(shapes []Conv2D, height int) []int {
	rows := make([]int, len(shapes))
	for i := len(shapes) - 1; i >= 0; i-- {
		rows[i] = min(height, shapes[i].OutH())
		v := shapes[i].norm()
		height = (height-1)*v.StrideH + (v.R-1)*v.DilH + 1
	}
	return rows
}

// chainBuffer is the size of a task's buffers: rows between links, and the first link's padded
// input.
func chainBuffer(shapes []Conv2D, height int) int {
	rows := bandRows(shapes, height)
	size := 0
	for i, v := range shapes[:len(shapes)-1] {
		size += rows[i] * v.OutW() * v.K
	}
	if v := shapes[0].norm(); v.dense() {
		w := v.forward()
		size += w.viewLen(rows[0])
	}
	return size
}

// bandHeight is the number of rows of the last result to compute at a time: what fits the cache.
func bandHeight(shapes []Conv2D) int {
	height := 1
	for height < shapes[len(shapes)-1].OutH() && chainBuffer(shapes, height+1) <= chainCache {
		height++
	}
	return height
}

// dense is neither pointwise nor depthwise.
func (v Conv2D) dense() bool { return !v.pointwise() && !v.depthwise() }

// chainStage is a link at work on one image. Its buffer holds rows from to to of its result.
type chainStage struct {
	v        Conv2D
	win      window
	w        *PackedConv
	ep       Epilogue
	walk     *dwWalk // of depthwise links
	view     []float32
	before   *chainStage
	x        []float32 // of the first link
	buf      []float32
	from, to int
}

// newChainStage makes the stages of all links and returns the last.
func newChainStage(links []ChainLink, shapes []Conv2D, n int, x []float32, height int, buf []float32) *chainStage {
	var s *chainStage
	rows := bandRows(shapes, height)
	for i, l := range links {
		if l.W.wino {
			panic("kernel: the weights of a chain's link are not from PackLink")
		}
		v := shapes[i]
		v.N = 1
		s = &chainStage{v: v, win: v.forward(), w: l.W, before: s}
		if l.Ep != nil {
			s.ep = *l.Ep
		}
		if len(s.ep.Residual) > 0 {
			s.ep.Residual = s.ep.Residual[n*v.YLen():]
		}
		if v.depthwise() {
			s.walk = l.W.walk(v)
		}
		if i == 0 {
			s.x = x
			if v.dense() {
				size := s.win.viewLen(rows[0])
				s.view, buf = buf[:size], buf[size:]
			}
		}
		if i+1 < len(links) {
			size := rows[i] * v.OutW() * v.K
			s.buf, buf = buf[:size], buf[size:]
		}
	}
	return s
}

// need brings rows a to b into the buffer, and drops those before a.
func (s *chainStage) need(a, b int) {
	if a > s.from {
		row := s.v.OutW() * s.v.K
		if a < s.to {
			copy(s.buf, s.buf[(a-s.from)*row:(s.to-s.from)*row])
		}
		s.from, s.to = a, max(a, s.to)
	}
	if b > s.to {
		s.run(s.to, b, s.buf, s.from)
		s.to = b
	}
}

// run computes rows a to b of the result into y, which starts at row from.
func (s *chainStage) run(a, b int, y []float32, from int) {
	x, base := s.x, 0
	if s.before != nil {
		s.before.need(s.v.reads(a, b))
		x, base = s.before.buf, s.before.from
	}
	switch {
	case s.v.pointwise():
		s.pointwise(a, b, x[(a-base)*s.v.W*s.v.C:], y[(a-from)*s.v.W*s.v.K:])
	case s.v.depthwise():
		s.win.dst.y0 = -from
		s.win.depthwiseRows(s.walk, 0, a, b, base, x, s.w.data, y, &s.ep)
	default:
		s.win.dst.y0 = -from
		t := newConvTile(&s.win, s.w.data, y, &s.ep)
		t.buf = s.view
		t.rows(x, 0, a, b, 0, s.v.Groups*split(s.v.K/s.v.Groups, cpu.nr))
	}
}

func (s *chainStage) pointwise(a, b int, x, y []float32) {
	m := newProduct(false, (b-a)*s.v.W, s.v.K, s.v.C, x, s.v.C, false, y, s.v.K, &s.ep)
	if len(m.ep.Residual) > 0 {
		m.ep.Residual = m.ep.Residual[a*s.v.W*s.v.K:]
	}
	m.b, m.bks, m.bps = s.w.data, cpu.nr, cpu.nr*s.v.C
	tiles := split(m.m, cpu.mr)
	m.block(0, tiles, tiles, 0, s.v.K)
}
