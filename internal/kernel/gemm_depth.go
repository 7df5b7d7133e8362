package kernel

// depthParts is the number of parts that the shared dimension is summed in, 1
// for most products. Long sums of few results, as the gradients of weights are, would
// leave threads idle.
func (x *product) depthParts(tasks int) int {
	if tasks >= 8 || x.k < 4*depthBlock {
		return 1
	}
	return min(16/tasks, x.k/(2*depthBlock))
}

// splitDepth sums fixed parts of the shared dimension on their own and then
// adds them in order.
func (x product) splitDepth(parts int) {
	size := x.m * x.n
	buf := getScratch(parts * size)
	defer putScratch(buf)
	tiles := split(x.m, cpu.mr)
	rows := split(tiles, rowTiles)
	Parallel(parts*rows, func(i int) {
		y := x
		q := i / rows
		k0, k1 := part(q, x.k, parts)
		y.k, y.acc, y.ep = k1-k0, false, Epilogue{}
		y.a = x.a[k0*x.acs:]
		y.b = x.b[k0*x.bks:]
		y.c, y.ldc = (*buf)[q*size:(q+1)*size], x.n
		t0, t1 := part(i%rows, tiles, rows)
		y.block(t0, t1, tiles, 0, x.n)
	})
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
