package kernel

// Sizes of a pass by component.
const (
	winoHeld = 1 << 22 // floats of transformed inputs at a time
	winoSums = 1 << 20 // floats of sums at a time, about
)

// byComponent transforms the inputs of all patches. Then all of them meet the weights of one component
// after the other, which are read once, and the sums are transformed. Where the transformed inputs are
// more than held floats, patches are done in stretches; where the sums of all channels are more than
// about most floats, channels are.
func (r *winoRun) byComponent(w *PackedConv, held, most int) {
	r.units = split(r.patches()*36*r.row(), held)
	r.size = split(r.patches(), r.units)
	in := getScratch(36 * r.comp())
	defer putScratch(in)
	for i := range r.units {
		p0, p1 := r.unit(i)
		tasks := split(p1-p0, winoPatches/4)
		Parallel(tasks, func(i int) {
			from, to := part(i, p1-p0, tasks)
			r.input(p0+from, p0+to, (*in)[from*r.row():])
		})
		w.winoPanels(36, func(first, n int, u []float32) {
			stretches := min(n, split(36*(p1-p0)*n*cpu.nr, most))
			for s := range stretches {
				q0, q1 := part(s, n, stretches)
				r.stretch(p0, p1, first+q0, q1-q0, u[q0*len(u)/n:], *in)
			}
		})
	}
}

// stretch computes n panels from panel q on, whose weights are u, for patches p0 to p1, whose transformed
// inputs are in.
func (r *winoRun) stretch(p0, p1, q, n int, u, in []float32) {
	nr, m := cpu.nr, p1-p0
	k, row := q*nr, n*nr
	comp := m*row + winoPad
	buf := getScratch(36 * comp)
	defer putScratch(buf)
	parts := min(n, split(4*Threads(), 36)) // of the panels of a component
	Parallel(36*parts, func(i int) {
		c := i / parts
		from, to := part(i%parts, n, parts)
		t := r.tile(row)
		for j := from; j < to; j++ {
			r.product(&t, (*buf)[c*comp+j*nr:], in[c*r.comp():], u[(j*36+c)*winoStep(r.v.C):], m, min(nr, r.v.K-k-j*nr))
		}
	})
	tasks := split(m, winoPatches/4)
	Parallel(tasks, func(i int) {
		from, to := part(i, m, tasks)
		r.output(p0+from, p0+to, k, min(row, r.v.K-k), (*buf)[from*row:], row, comp)
	})
}
