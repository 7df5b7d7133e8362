package kernel

// Pool2D is the geometry of a pooling in NHWC: x has shape [N, H, W, C], y has
// [N, OutH, OutW, C]. For one axis let H, KH, StrideH and OutH be 1. The output size is
// the caller's, so floor and ceil mode are the same here.
type Pool2D struct {
	N, H, W, C, OutH, OutW int
	KH, KW                 int // window
	StrideH, StrideW       int
	PadTop, PadLeft        int
	PadBottom, PadRight    int  // read by average pooling with CountPad only
	DilationH, DilationW   int  // 0 counts as 1
	CountPad               bool // average: padding counts in the divisor (count_include_pad)
}

// poolSpan is one axis of a window: taps lo <= k < hi are inside x, count of them
// inside the padded x. The first tap is at index at.
type poolSpan struct{ at, lo, hi, count int }

// axisSpan is the window of output o on an axis of size n.
func axisSpan(o, n, k, stride, before, after, dil int) poolSpan {
	dil = max(dil, 1)
	s := poolSpan{at: o*stride - before}
	if s.at < 0 {
		s.lo = (-s.at + dil - 1) / dil
	}
	s.hi = min(k, (n-s.at+dil-1)/dil)
	s.count = min(k, (n+after-s.at+dil-1)/dil)
	return s
}

func (p *Pool2D) row(o int) poolSpan {
	return axisSpan(o, p.H, p.KH, p.StrideH, p.PadTop, p.PadBottom, p.DilationH)
}

func (p *Pool2D) col(o int) poolSpan {
	return axisSpan(o, p.W, p.KW, p.StrideW, p.PadLeft, p.PadRight, p.DilationW)
}

// window calls f with the offset in x of each tap inside x, in row order.
func (p *Pool2D) window(n int, r, c poolSpan, f func(at int)) {
	for k := r.lo; k < r.hi; k++ {
		base := (n*p.H + r.at + k*max(p.DilationH, 1)) * p.W
		for l := c.lo; l < c.hi; l++ {
			f((base + c.at + l*max(p.DilationW, 1)) * p.C)
		}
	}
}

// taps is the offsets that window visits, in buf's memory.
func (p *Pool2D) taps(buf []int, n int, r, c poolSpan) []int {
	buf = buf[:0]
	p.window(n, r, c, func(at int) { buf = append(buf, at) })
	return buf
}

// divisor is what an average over the window divides by.
func (p *Pool2D) divisor(r, c poolSpan) float32 {
	if p.CountPad {
		return float32(r.count * c.count)
	}
	return float32((r.hi - r.lo) * (c.hi - c.lo))
}

// outRows calls f for each output row, in parallel.
func (p *Pool2D) outRows(f func(n, oh int)) {
	if p.OutW*p.C == 0 {
		return
	}
	rowChunks(p.N*p.OutH, p.OutW*p.C*p.KH*p.KW, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			f(i/p.OutH, i%p.OutH)
		}
	})
}

// poolTile is the number of channels of one task where windows may overlap in the
// output of the task: examples and channel tiles are independent there.
const poolTile = 64

func (p *Pool2D) inTiles(f func(n, lo, hi int)) {
	tiles := (p.C + poolTile - 1) / poolTile
	Parallel(p.N*tiles, func(i int) {
		lo := i % tiles * poolTile
		f(i/tiles, lo, min(lo+poolTile, p.C))
	})
}
