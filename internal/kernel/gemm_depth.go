package kernel

// long says whether the shared dimension is summed in parts: long sums of few
// results, as the gradients of weights are, would leave threads idle. Products of
// rows with weights never are: the rows are examples, which must not depend on their number.
func (x *product) long() bool {
	return !x.rowwise && x.k >= 4*depthBlock && x.m*x.n <= 1<<18
}

// splitDepth sums fixed parts of the shared dimension on their own and then
// adds them in order.
func (x product) splitDepth() {
	nr, size := cpu.nr, x.m*x.n
	panels, tiles := split(x.n, nr), split(x.m, cpu.mr)
	cols := split(panels, max(1, columnBlock/(depthBlock*nr)))
	parts := min(max(2, 16/cols), x.k/(2*depthBlock))
	rows := split(tiles, rowTiles)
	if parts*cols >= 8 {
		rows = 1 // packing b once matters more than finer tasks
	}
	buf := getScratch(parts * size)
	defer putScratch(buf)
	Parallel(parts*cols*rows, func(i int) {
		y := x
		q := i / (cols * rows)
		k0, k1 := part(q, x.k, parts)
		y.k, y.acc, y.ep = k1-k0, false, Epilogue{}
		y.a = x.a[k0*x.acs:]
		y.b = x.b[k0*x.bks:]
		y.c, y.ldc = (*buf)[q*size:(q+1)*size], x.n
		t0, t1 := part(i%rows, tiles, rows)
		p0, p1 := part(i/rows%cols, panels, cols)
		y.block(t0, t1, tiles, p0*nr, min(p1*nr, x.n))
	})
	rows = split(tiles, rowTiles)
	Parallel(rows, func(i int) {
		t0, t1 := part(i, tiles, rows)
		r0, _ := part(t0, x.m, tiles)
		r1, _ := part(t1, x.m, tiles)
		for r := r0; r < r1; r++ {
			sum := (*buf)[r*x.n : (r+1)*x.n]
			for q := 1; q < parts; q++ {
				vec.add(sum, sum, (*buf)[q*size+r*x.n:][:x.n])
			}
			if x.acc {
				vec.add(sum, sum, x.c[r*x.ldc:][:x.n])
			}
			if len(x.ep.Bias) > 0 {
				vec.add(sum, sum, x.ep.Bias[:x.n])
			}
			if len(x.ep.Residual) > 0 {
				vec.add(sum, sum, x.ep.Residual[r*x.ldc:][:x.n])
			}
			x.ep.activate(sum)
			copy(x.c[r*x.ldc:], sum)
		}
	})
}
