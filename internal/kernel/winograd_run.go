package kernel

// Blocks of patches.
const (
	winoPatches = 56      // most patches of a block
	winoLeast   = 12      // fewest patches that meet all weights from a core's cache
	winoStrip   = 1 << 13 // floats of inputs with padding that are copied together, about
	winoNarrow  = 6       // most patches in a row that are copied together for its two edges
	winoPad     = 16      // floats between rows or components of what is transformed, against cache conflicts
)

// winoRun is a forward pass by Winograd's algorithm.
type winoRun struct {
	v      Conv2D
	oh, ow int
	bh, bw int // blocks of 4 by 4 outputs down and across
	size   int // patches of a unit
	units  int
	x, y   []float32
	ep     Epilogue
}

func runWinograd(v Conv2D, x []float32, w *PackedConv, y []float32, ep *Epilogue) {
	r := newWinoRun(v, x, y, ep)
	if v.winoByComponent() {
		r.byComponent(w, winoHeld, winoSums)
	} else {
		r.byPatch(w)
	}
}

func newWinoRun(v Conv2D, x, y []float32, ep *Epilogue) *winoRun {
	r := &winoRun{v: v, oh: v.OutH(), ow: v.OutW(), x: x, y: y}
	r.bh, r.bw = split(r.oh, 4), split(r.ow, 4)
	if ep != nil {
		r.ep = *ep
	}
	return r
}

// byPatch takes a few patches at a time, whose transformed inputs stay in the cache until all channels
// are done.
func (r *winoRun) byPatch(w *PackedConv) {
	r.size = min(winoPatches, winoFit(r.v))
	r.units = split(r.patches(), r.size)
	panels := split(r.v.K, cpu.nr)
	Parallel(r.units, func(i int) {
		buf := getScratch(36 * r.comp())
		defer putScratch(buf)
		p0, p1 := r.unit(i)
		r.input(p0, p1, *buf)
		r.panels(p0, p1, panels, w.data, *buf)
	})
}

// winoFused is how many floats of transformed inputs stay in a core's second cache: 1 MB or more where
// there is AVX-512, often half of it elsewhere.
func winoFused() int {
	if cpu.nr == 32 {
		return 9 << 14
	}
	return 1 << 17
}

// winoFit is how many patches fit into a core's cache, transformed: 0 where they are too few to read
// all weights for them.
func winoFit(v Conv2D) int {
	fit := winoFused() / (36 * (v.C + winoPad)) / cpu.mr * cpu.mr
	if fit < winoLeast {
		return 0
	}
	return fit
}

// winoByComponent reports whether all patches meet the weights of one component at a time. The other way
// all weights are read for every few patches whose transformed inputs fit into a cache. That is more than
// to write and read what is transformed, as three accesses count, where weights are many and patches few.
func (v Conv2D) winoByComponent() bool {
	fit := winoFit(v)
	return fit == 0 || v.C*v.K > 3*fit*(v.C+v.K)
}

// row and comp are the steps of transformed inputs from patch to patch and
// from component to component.
func (r *winoRun) row() int  { return r.v.C + winoPad }
func (r *winoRun) comp() int { return r.size*r.row() + winoPad }

// unit gives the patches of a unit.
func (r *winoRun) unit(i int) (p0, p1 int) {
	return part(i, r.v.N*r.bh*r.bw, r.units)
}

// patch gives the image and the output row and column of a patch.
func (r *winoRun) patch(p int) (n, y, x int) {
	return p / (r.bh * r.bw), p / r.bw % r.bh * 4, p % r.bw * 4
}

// patches is the number of patches of the run.
func (r *winoRun) patches() int { return r.v.N * r.bh * r.bw }

// input transforms patches p0 to p1 to buf.
func (r *winoRun) input(p0, p1 int, buf []float32) {
	v := r.v
	edge := getScratch(max(winoStrip, 36*v.C))
	defer putScratch(edge)
	t := winoInput{comp: r.comp(), n: v.C}
	for p := p0; p < p1; {
		n, y, x := r.patch(p)
		side := r.together(p, p1)
		t.area(r.x[n*v.H*v.W*v.C:], v.H, v.W, y-v.PadT, x-v.PadL, 6, 4*side+2, *edge)
		for end := p + side; p < end; p++ {
			t.v = buf[(p-p0)*r.row():]
			cpu.winoInput(&t)
			t.x = t.x[min(4*t.pixel, len(t.x)):]
		}
	}
}

// together is the number of patches from p on, before p1, that are read from one place: those side by
// side that lie inside of the map, or of which many do not, so that one copy serves them all.
func (r *winoRun) together(p, p1 int) int {
	v := r.v
	_, y, x := r.patch(p)
	i, j := y-v.PadT, x-v.PadL
	side := min(p1-p, r.bw-x/4)
	if i < 0 || i+6 > v.H || r.bw <= winoNarrow { // every patch lies half outside, or the first and the last are many of them
		return max(1, min(side, (winoStrip/(6*v.C)-2)/4))
	}
	if inside := (v.W-j-6)/4 + 1; j >= 0 && j+6 <= v.W {
		return min(side, inside)
	}
	return 1
}

// area takes rows by cols pixels from row i and column j of a map of h by w on: from the map itself
// or, where some lie outside and count as 0, from a copy in edge.
func (t *winoInput) area(image []float32, h, w, i, j, rows, cols int, edge []float32) {
	if i >= 0 && j >= 0 && i+rows <= h && j+cols <= w {
		t.x, t.row, t.pixel = image[(i*w+j)*t.n:], w*t.n, t.n
		return
	}
	t.x, t.row, t.pixel = edge[:rows*cols*t.n], cols*t.n, t.n
	j0, j1 := max(0, -j), min(cols, w-j)
	for k := range rows {
		row := t.x[k*t.row : (k+1)*t.row]
		if i+k < 0 || i+k >= h || j0 >= j1 {
			clear(row)
			continue
		}
		clear(row[:j0*t.n])
		copy(row[j0*t.n:j1*t.n], image[((i+k)*w+j+j0)*t.n:])
		clear(row[j1*t.n:])
	}
}

// panels computes all channels of patches p0 to p1 from their transformed inputs and the weights u.
func (r *winoRun) panels(p0, p1, panels int, u, in []float32) {
	v, nr := r.v, cpu.nr
	m := p1 - p0
	comp := m*nr + winoPad
	buf := getScratch(36 * comp)
	defer putScratch(buf)
	t := r.tile(nr)
	for q := range panels {
		k := q * nr
		n := min(nr, v.K-k)
		for c := range 36 {
			r.product(&t, (*buf)[c*comp:], in[c*r.comp():], u[(q*36+c)*winoStep(v.C):], m, n)
		}
		r.output(p0, p1, k, n, *buf, nr, comp)
	}
}

// tile is the tile of products whose sums lie row apart.
func (r *winoRun) tile(row int) tile {
	t := tile{offs: zeroOff[:], runLen: r.v.C, ars: r.row(), acs: 1, bks: cpu.nr}
	for i := range t.crow {
		t.crow[i] = i * row
	}
	return t
}

// product multiplies a component of m patches by the n channels of a panel of weights.
func (r *winoRun) product(t *tile, sums, in, u []float32, m, n int) {
	t.b = u
	tiles := split(m, cpu.mr)
	for i := range tiles {
		r0, r1 := part(i, m, tiles)
		t.a, t.c = in[r0*t.ars:], sums[r0*t.crow[1]:]
		cpu.tile(t, r1-r0, n)
	}
}

// output transforms the sums of patches p0 to p1, n channels from channel k on, and finishes them. The
// sums of patches lie row apart, those of components comp.
func (r *winoRun) output(p0, p1, k, n int, sums []float32, row, comp int) {
	v := r.v
	lo, hi, clip := r.ep.clip()
	o := winoOutput{comp: comp, row: r.ow * v.K, pixel: v.K, n: n, lo: lo, hi: hi, clip: clip}
	if len(r.ep.Bias) > 0 {
		o.bias = r.ep.Bias[k:]
	}
	for p := p0; p < p1; p++ {
		n, y, x := r.patch(p)
		at := ((n*r.oh+y)*r.ow+x)*v.K + k
		o.height, o.width = min(4, r.oh-y), min(4, r.ow-x)
		o.m, o.y = sums[(p-p0)*row:], r.y[at:]
		if len(r.ep.Residual) > 0 {
			o.res = r.ep.Residual[at:]
		}
		cpu.winoOutput(&o)
		if r.ep.finishes() {
			for i := range o.height {
				r.ep.activateRows(o.y[i*o.row:], o.width, o.pixel, o.n)
			}
		}
	}
}
