package kernel

import "slices"

// view is a stretch of rows of one input image in which no tap falls outside:
// the input itself, or a copy with its padding.
type view struct {
	data   []float32
	row    int // floats from row to row
	pixel  int // floats from pixel to pixel
	origin int // index of input row y0*sh+min(rows), column min(cols)
}

// span is the number of input rows that n output rows read.
func span(n, stride int, taps []int) int {
	return (n-1)*stride + slices.Max(taps) - slices.Min(taps) + 1
}

// inside says whether taps of a whole axis stay inside of its input.
func inside(n, size, stride int, taps []int) bool {
	return slices.Min(taps) >= 0 && (n-1)*stride+slices.Max(taps) < size
}

// padded says whether the window reads beyond its input.
func (w *window) padded() bool {
	return !inside(w.oh, w.h, w.sh, w.rows) || !inside(w.ow, w.w, w.sw, w.cols)
}

// viewLen is the size of the copy that view makes for rows output rows.
func (w *window) viewLen(rows int) int {
	return span(rows, w.sh, w.rows) * span(w.ow, w.sw, w.cols) * w.c
}

// view gives the input of output rows y0 to y1 of image n. A padded window is
// copied to buf.
func (w *window) view(x []float32, n, y0, y1 int, buf []float32) view {
	top := y0*w.sh + slices.Min(w.rows)
	left := slices.Min(w.cols)
	if !w.padded() {
		return view{x, w.w * w.c, w.c, ((n*w.h+top)*w.w + left) * w.c}
	}
	height, width := span(y1-y0, w.sh, w.rows), span(w.ow, w.sw, w.cols)
	c0, c1 := max(0, -left), max(0, min(width, w.w-left)) // columns that lie inside
	for i := range height {
		row := buf[i*width*w.c : (i+1)*width*w.c]
		y := top + i
		if y < 0 || y >= w.h || c0 >= c1 {
			clear(row)
			continue
		}
		clear(row[:c0*w.c])
		copy(row[c0*w.c:c1*w.c], x[((n*w.h+y)*w.w+left+c0)*w.c:])
		clear(row[c1*w.c:])
	}
	return view{buf, width * w.c, w.c, 0}
}

// runs lists, relative to a view's origin, where the runs of a tap sum start, and their length. The
// taps of one window row form one run if they are neighbours in memory.
func (w *window) runs(v *view) (offs []int, runLen int) {
	c := w.c / w.groups
	r0, c0 := slices.Min(w.rows), slices.Min(w.cols)
	merged := w.groups == 1
	for i, s := range w.cols {
		merged = merged && s == w.cols[0]+i
	}
	for _, r := range w.rows {
		for _, s := range w.cols {
			offs = append(offs, (r-r0)*v.row+(s-c0)*v.pixel)
			if merged {
				break
			}
		}
	}
	if merged {
		return offs, c * len(w.cols)
	}
	return offs, c
}

// Limits of a convolution's tasks, in floats.
const (
	viewBlock  = 1 << 16 // input rows of a task, in the second cache beside the weights
	panelBlock = 1 << 17 // weights of a task
)

// run computes the window over packed weights. A task is a range of output rows and, if the weights
// exceed a cache, of output channels.
func (w *window) run(x, packed, y []float32, ep *Epilogue) {
	if w.n*w.oh*w.ow == 0 {
		return
	}
	rows := w.blockRows()
	blocks := split(w.oh, rows)
	units := w.n * blocks // stretches of rows
	depth := len(w.rows) * len(w.cols) * w.c / w.groups
	panels := w.groups * split(w.k/w.groups, cpu.nr)
	group := max(1, panelBlock/(depth*cpu.nr))
	groups := split(panels, group)
	stretch := units // units of a task
	if groups == 1 {
		stretch = 1
	} else {
		stretch = split(units, min(units, max(1, 32/groups)))
	}
	chunks := split(units, stretch)
	Parallel(groups*chunks, func(i int) {
		p0, p1 := part(i/chunks, panels, groups)
		u0, u1 := part(i%chunks, units, chunks)
		t := newConvTile(w, packed, y, ep)
		if w.padded() {
			buf := getScratch(w.viewLen(rows))
			defer putScratch(buf)
			t.buf = *buf
		}
		for u := u0; u < u1; u++ {
			y0, y1 := part(u%blocks, w.oh, blocks)
			t.rows(x, u/blocks, y0, y1, p0, p1)
		}
	})
}

// blockRows is the number of output rows per task: what fits a cache, or fewer if there would be
// too few tasks.
func (w *window) blockRows() int {
	rows := w.oh
	for rows > 1 && w.viewLen(rows) > viewBlock {
		rows = (rows + 1) / 2
	}
	work := len(w.rows) * len(w.cols) * w.c / w.groups * w.k * w.ow
	return min(rows, split(w.oh, min(w.oh, split(worthTasks(w.n*w.oh*work), w.n))))
}

// convTile computes stretches of rows with one tile.
type convTile struct {
	tile
	w      *window
	packed []float32
	y      []float32
	ep     Epilogue
	finish bool // the activation needs its own pass
	buf    []float32
}

func newConvTile(w *window, packed, y []float32, ep *Epilogue) *convTile {
	t := &convTile{w: w, packed: packed, y: y}
	if ep != nil {
		t.ep = *ep
	}
	t.lo, t.hi, t.clip = t.ep.clip()
	t.finish = t.ep.finishes()
	t.bks = cpu.nr
	t.acs = 1
	return t
}

// rows computes panels p0 to p1 of output rows y0 to y1 of image n.
func (t *convTile) rows(x []float32, n, y0, y1, p0, p1 int) {
	w := t.w
	v := w.view(x, n, y0, y1, t.buf)
	t.offs, t.runLen = w.runs(&v)
	t.ars = w.sw * v.pixel
	for i := range t.crow {
		t.crow[i] = i * w.dst.dx * w.k
	}
	tiles := split(w.ow, cpu.mr)
	for yy := y0; yy < y1; yy++ {
		for i := range tiles {
			x0, x1 := part(i, w.ow, tiles)
			a := v.data[v.origin+(yy-y0)*w.sh*v.row+x0*t.ars:]
			t.panels(a, w.dst.pixel(n, yy, x0)*w.k, x1-x0, p0, p1)
		}
	}
}

// panels computes m pixels, which start at a and at dst, for the channels of panels p0 to p1.
func (t *convTile) panels(a []float32, dst, m, p0, p1 int) {
	w := t.w
	kg, cg := w.k/w.groups, w.c/w.groups
	per := split(kg, cpu.nr) // panels of a group
	size := len(t.offs) * t.runLen * cpu.nr
	first, last := w.k, 0
	for p := p0; p < p1; p++ {
		g, j := p/per, p%per*cpu.nr
		k, n := g*kg+j, min(cpu.nr, kg-j)
		t.a = a[g*cg:]
		t.b = t.packed[p*size:]
		t.c = t.y[dst+k:]
		t.bias, t.res = nil, nil
		if len(t.ep.Bias) > 0 {
			t.bias = t.ep.Bias[k:]
		}
		if len(t.ep.Residual) > 0 {
			t.res = t.ep.Residual[dst+k:]
		}
		cpu.tile(&t.tile, m, n)
		first, last = min(first, k), max(last, k+n)
	}
	if t.finish {
		t.ep.activateRows(t.y[dst+first:], m, w.dst.dx*w.k, last-first)
	}
}
