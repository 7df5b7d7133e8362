package kernel

// GemmStep computes c = from + a*b for the few rows of a step of a recurrent net. a is m by b.K, from
// and c are m by b.N, with rows lda and ldc apart. from may be nil for zeros. apart says that other
// threads are busy with other rows, so that this one computes all of c.
func GemmStep(apart bool, m int, a []float32, lda int, b *PackedB, from, c []float32, ldc int) {
	x := step{m: m, a: a, lda: lda, b: b, from: from, c: c, ldc: ldc}
	if m > 0 && lda%1024 == 0 { // see product.block
		buf := getScratch(m * (b.K + 16))
		defer putScratch(buf)
		x.a, x.lda = *buf, b.K+16
		for i := range m {
			copy(x.a[i*x.lda:][:b.K], a[i*lda:])
		}
	}
	panels := split(b.N, cpu.nr)
	tasks := min(panels, worthTasks(m*b.N*b.K))
	if apart || tasks < 2 {
		x.panels(0, panels)
		return
	}
	x.spread(panels, tasks)
}

// step is a product of few rows.
type step struct {
	m    int
	a    []float32
	lda  int
	b    *PackedB
	from []float32
	c    []float32
	ldc  int
}

func (x step) spread(panels, tasks int) {
	Parallel(tasks, func(i int) { x.panels(part(i, panels, tasks)) })
}

// panels computes the columns of panels p0 to p1. A panel is read once for all rows, the second time
// from the first cache.
func (x *step) panels(p0, p1 int) {
	nr, k := cpu.nr, x.b.K
	tiles, parts := split(x.m, cpu.mr), max(1, split(k, depthBlock))
	t := tile{ars: x.lda, acs: 1, bks: nr, offs: zeroOff[:]}
	for i := range t.crow {
		t.crow[i] = i * x.ldc
	}
	for kb := range parts {
		k0, k1 := part(kb, k, parts)
		t.runLen, t.acc = k1-k0, kb > 0
		for p := p0; p < p1; p++ {
			t.b = x.b.data[p*nr*k+k0*nr:]
			for i := range tiles {
				i0, i1 := part(i, x.m, tiles)
				at := i0*x.ldc + p*nr
				t.a, t.c, t.res = x.a[i0*x.lda+k0:], x.c[at:], nil
				if kb == 0 && len(x.from) > 0 {
					t.res = x.from[at:]
				}
				cpu.tile(&t, i1-i0, min(nr, x.b.N-p*nr))
			}
		}
	}
}
