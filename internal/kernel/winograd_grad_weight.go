package kernel

// winoGradFloats is how many floats of transformed inputs and gradients are held at a time, where the
// transformed gradient of the weights is not longer itself.
const winoGradFloats = 1 << 20

// winoGradRun is the gradient of weights by Winograd's algorithm. Inputs and gradients of all patches are
// transformed, component by component a product sums over the patches, and the sums are transformed to
// 3 by 3. Patches that do not fit are added up in stretches.
type winoGradRun struct {
	winoRun // size counts the patches of a stretch, units the stretches
	dy      []float32
	in, out []float32 // of a stretch, transformed
	sums    []float32 // [panel][component][C][nr]
}

// winogradGradWeight computes the partial gradients of a window, taps by C by K, in one part.
func winogradGradWeight(v Conv2D, x, dy, sums []float32) {
	r := &winoGradRun{winoRun: winoRun{v: v, oh: v.OutH(), ow: v.OutW(), x: x}, dy: dy}
	r.bh, r.bw = split(r.oh, 4), split(r.ow, 4)
	panels, panel := split(v.K, cpu.nr), 36*winoStep(v.C)
	patches := v.N * r.bh * r.bw
	r.units = split(patches*36*(v.C+v.K+2*winoPad), max(winoGradFloats, panels*panel))
	r.size = split(patches, r.units)
	in := getScratch(36 * r.comp(v.C))
	defer putScratch(in)
	out := getScratch(36 * r.comp(v.K))
	defer putScratch(out)
	r.in, r.out = *in, *out
	group := panels // that are computed together
	if r.units == 1 {
		group = max(1, min(panels, winoGradFloats/panel))
	}
	buf := getScratch(group * panel)
	defer putScratch(buf)
	r.sums = *buf
	for i := range r.units {
		r.transform(i)
		for q := 0; q < panels; q += group {
			n := min(group, panels-q)
			Parallel(36*n, func(t int) { r.product(i, q+t%n, t/n, r.sums[t%n*panel:]) })
			if i == r.units-1 {
				r.finish(q, n, sums)
			}
		}
	}
}

// row and comp are the steps of n transformed channels from patch to patch and from component to
// component.
func (r *winoGradRun) row(n int) int  { return n + winoPad }
func (r *winoGradRun) comp(n int) int { return r.size*r.row(n) + winoPad }

// transform transforms the inputs and gradients of stretch i.
func (r *winoGradRun) transform(i int) {
	v := r.v
	p0, p1 := r.unit(i)
	tasks := split(p1-p0, winoPatches/4)
	Parallel(tasks, func(i int) {
		from, to := part(i, p1-p0, tasks)
		edge := getScratch(36 * max(v.C, v.K))
		defer putScratch(edge)
		in := winoInput{comp: r.comp(v.C), n: v.C}
		out := winoInput{comp: r.comp(v.K), n: v.K}
		for p := from; p < to; p++ {
			n, y, x := r.patch(p0 + p)
			in.v, out.v = r.in[p*r.row(v.C):], r.out[p*r.row(v.K):]
			in.area(r.x[n*v.H*v.W*v.C:], v.H, v.W, y-v.PadT, x-v.PadL, 6, 6, *edge)
			cpu.winoInput(&in)
			out.area(r.dy[n*r.oh*r.ow*v.K:], r.oh, r.ow, y, x, 4, 4, *edge)
			cpu.winoOutGrad(&out)
		}
	})
}

// product sums one component of a panel over the patches of stretch i.
func (r *winoGradRun) product(i, panel, comp int, sums []float32) {
	v, nr := r.v, cpu.nr
	p0, p1 := r.unit(i)
	t := tile{offs: zeroOff[:], runLen: p1 - p0, ars: 1, acs: r.row(v.C), bks: r.row(v.K), acc: i > 0}
	for i := range t.crow {
		t.crow[i] = i * nr
	}
	t.b = r.out[comp*r.comp(v.K)+panel*nr:]
	tiles := split(v.C, cpu.mr)
	for i := range tiles {
		c0, c1 := part(i, v.C, tiles)
		t.a = r.in[comp*r.comp(v.C)+c0:]
		t.c = sums[comp*winoStep(v.C)+c0*nr:]
		cpu.tile(&t, c1-c0, min(nr, v.K-panel*nr))
	}
}

// finish transforms the sums of n panels from q on and writes them, taps by C by K.
func (r *winoGradRun) finish(q, n int, dst []float32) {
	v, nr := r.v, cpu.nr
	step, rows := winoStep(v.C), winoSpan/nr // input channels of a task
	tasks := split(v.C, rows)
	Parallel(n*tasks, func(i int) {
		panel, c0 := i/tasks, i%tasks*rows
		c1 := min(c0+rows, v.C)
		k := (q + panel) * nr
		buf := getScratch(9 * winoSpan)
		defer putScratch(buf)
		g := *buf
		u := r.sums[panel*36*step+c0*nr:]
		cpu.winoGrad(&winoInput{x: u, row: 6 * step, pixel: step, n: (c1 - c0) * nr, v: g, comp: winoSpan})
		for t := range 9 {
			for c := c0; c < c1; c++ {
				copy(dst[(t*v.C+c)*v.K+k:][:min(nr, v.K-k)], g[t*winoSpan+(c-c0)*nr:])
			}
		}
	})
}
