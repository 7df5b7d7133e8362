package kernel

// chunk is the number of float32 values one task of an elementwise kernel
// handles: 64 KiB, small enough to balance, large enough to hide the hand-out.
// It never depends on the number of threads, so neither does any result.
const chunk = 1 << 14

// chunks calls f on the fixed pieces [lo, hi) of [0, n), in parallel.
func chunks(n, size int, f func(lo, hi int)) {
	if n <= size {
		if n > 0 {
			f(0, n)
		}
		return
	}
	Parallel((n+size-1)/size, func(i int) {
		f(i*size, min((i+1)*size, n))
	})
}

// rowChunks calls f on fixed runs of rows that hold about one chunk of values.
func rowChunks(rows, width int, f func(lo, hi int)) {
	chunks(rows, max(1, chunk/max(1, width)), f)
}

// unary runs y = f(x) in parallel pieces.
func unary(y, x []float32, f func(y, x []float32)) {
	y = y[:len(x)]
	if len(x) <= chunk {
		f(y, x)
		return
	}
	chunks(len(x), chunk, func(lo, hi int) { f(y[lo:hi], x[lo:hi]) })
}

// binary runs y = f(a, b) in parallel pieces.
func binary(y, a, b []float32, f func(y, a, b []float32)) {
	y, b = y[:len(a)], b[:len(a)]
	if len(a) <= chunk {
		f(y, a, b)
		return
	}
	chunks(len(a), chunk, func(lo, hi int) { f(y[lo:hi], a[lo:hi], b[lo:hi]) })
}

// map1 is y[i] = f(x[i]), for functions too rare to have a loop of their own.
func map1(y, x []float32, f func(float32) float32) {
	unary(y, x, func(y, x []float32) {
		for i, v := range x {
			y[i] = f(v)
		}
	})
}

// map2 is dx[i] = dy[i] * f(x[i]), the gradient of such a function.
func map2(dx, dy, x []float32, f func(float32) float32) {
	binary(dx, dy, x, func(dx, dy, x []float32) {
		for i, v := range x {
			dx[i] = dy[i] * f(v)
		}
	})
}
