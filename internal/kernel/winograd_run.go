package kernel

// Blocks of patches.
const (
	winoPatches = 56 // most patches of a block
	winoLeast   = 12 // fewest patches that meet all weights from a core's cache
	winoPad     = 16 // floats between rows or components of what is transformed, against cache conflicts
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
	r := &winoRun{v: v, oh: v.OutH(), ow: v.OutW(), x: x, y: y}
	if ep != nil {
		r.ep = *ep
	}
	r.bh, r.bw = split(r.oh, 4), split(r.ow, 4)
	fit := winoFit(v)
	r.size = min(winoPatches, fit)
	if fit == 0 {
		r.size = winoPatches / cpu.mr * cpu.mr
	}
	patches := v.N * r.bh * r.bw
	r.units = split(patches, r.size)
	panels := split(v.K, cpu.nr)
	if fit > 0 {
		// A unit's transformed inputs stay in the cache until all channels are done.
		Parallel(r.units, func(i int) {
			buf := getScratch(36 * r.comp())
			defer putScratch(buf)
			r.input(i, *buf)
			r.panels(i, 0, panels, w.data, *buf)
		})
		return
	}
	// The weights exceed a cache: all inputs are transformed first, then each panel of
	// weights meets all units.
	one := 36 * r.comp()
	group := max(1, min(r.units, (1<<22)/one)) // units at a time
	buf := getScratch(group * one)
	defer putScratch(buf)
	for first := 0; first < r.units; first += group {
		n := min(group, r.units-first)
		Parallel(n, func(i int) { r.input(first+i, (*buf)[i*one:(i+1)*one]) })
		w.winoPanels(n, func(q, panels int, u []float32) {
			size := len(u) / panels
			Parallel(panels*n, func(i int) {
				r.panels(first+i%n, q+i/n, q+i/n+1, u[i/n*size:], (*buf)[i%n*one:(i%n+1)*one])
			})
		})
	}
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

// input transforms the patches of unit i to buf.
func (r *winoRun) input(i int, buf []float32) {
	v := r.v
	p0, p1 := r.unit(i)
	edge := getScratch(36 * v.C)
	defer putScratch(edge)
	t := winoInput{comp: r.comp(), n: v.C}
	for p := p0; p < p1; p++ {
		n, y, x := r.patch(p)
		t.v = buf[(p-p0)*r.row():]
		t.patch(r.x[n*v.H*v.W*v.C:], v.H, v.W, y-v.PadT, x-v.PadL, 6, *edge)
		cpu.winoInput(&t)
	}
}

// patch takes size by size pixels from row i and column j of a map of h by w on: from the map itself
// or, where some lie outside and count as 0, from a copy in edge.
func (t *winoInput) patch(image []float32, h, w, i, j, size int, edge []float32) {
	if i >= 0 && j >= 0 && i+size <= h && j+size <= w {
		t.x, t.row, t.pixel = image[(i*w+j)*t.n:], w*t.n, t.n
		return
	}
	t.x, t.row, t.pixel = edge[:size*size*t.n], size*t.n, t.n
	j0, j1 := max(0, -j), min(size, w-j)
	for k := range size {
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

// panels computes the channels of panels q0 to q1, whose weights are u, for unit i.
func (r *winoRun) panels(i, q0, q1 int, u, in []float32) {
	v, nr := r.v, cpu.nr
	p0, p1 := r.unit(i)
	m := p1 - p0
	comp := m*nr + winoPad
	buf := getScratch(36 * comp)
	defer putScratch(buf)
	t := tile{offs: zeroOff[:], runLen: v.C, ars: r.row(), acs: 1, bks: nr}
	for i := range t.crow {
		t.crow[i] = i * nr
	}
	lo, hi, clip := r.ep.clip()
	o := winoOutput{comp: comp, row: r.ow * v.K, pixel: v.K, lo: lo, hi: hi, clip: clip}
	tiles := split(m, cpu.mr)
	for q := q0; q < q1; q++ {
		k := q * nr
		o.n = min(nr, v.K-k)
		for c := range 36 {
			t.b = u[((q-q0)*36+c)*winoStep(v.C):]
			for i := range tiles {
				r0, r1 := part(i, m, tiles)
				t.a = in[c*r.comp()+r0*r.row():]
				t.c = (*buf)[c*comp+r0*nr:]
				cpu.tile(&t, r1-r0, o.n)
			}
		}
		if len(r.ep.Bias) > 0 {
			o.bias = r.ep.Bias[k:]
		}
		for p := p0; p < p1; p++ {
			n, y, x := r.patch(p)
			at := ((n*r.oh+y)*r.ow+x)*v.K + k
			o.height, o.width = min(4, r.oh-y), min(4, r.ow-x)
			o.m, o.y = (*buf)[(p-p0)*nr:], r.y[at:]
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
}
