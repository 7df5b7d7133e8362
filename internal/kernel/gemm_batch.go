package kernel

// GemmBatch computes count products of the same shape, as Gemm without an epilogue. at(i) returns
// the offsets in a, b and c of the matrices of product i, so any layout of heads, groups or
// broadcasts works. Products must not share elements of c.
func GemmBatch(count int, at func(i int) (a, b, c int), transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, acc bool, c []float32, ldc int) {
	if m*n*k >= 1<<21 || count == 1 || k == 0 {
		for i := range count {
			oa, ob, oc := at(i)
			Gemm(transA, transB, m, n, k, a[oa:], lda, b[ob:], ldb, acc, c[oc:], ldc, nil)
		}
		return
	}
	// Small products: several make one task, each computed by one goroutine.
	group := max(1, 1<<18/max(1, m*n*k))
	Parallel(split(count, group), func(g int) {
		var buf *[]float32
		if transB || m > directRows {
			buf = getScratch(packedSize(n, k))
			defer putScratch(buf)
		}
		for i := g * group; i < min((g+1)*group, count); i++ {
			oa, ob, oc := at(i)
			x := newProduct(transA, m, n, k, a[oa:], lda, acc, c[oc:], ldc, nil)
			if buf == nil {
				x.b, x.bks, x.bps = b[ob:], ldb, cpu.nr
			} else {
				packSerial(*buf, transB, n, k, b[ob:], ldb)
				x.b, x.bks, x.bps = *buf, cpu.nr, cpu.nr*k
			}
			tiles := split(m, cpu.mr)
			x.block(0, tiles, tiles, 0, n)
		}
	})
}

func packSerial(dst []float32, transB bool, n, k int, b []float32, ldb int) {
	nr := cpu.nr
	for j := 0; j < n; j += nr {
		d := dst[j*k : (j+nr)*k]
		if transB {
			packPanelT(d, b[j*ldb:], ldb, min(nr, n-j), k)
		} else {
			packPanel(d, b[j:], ldb, min(nr, n-j), k)
		}
	}
}
