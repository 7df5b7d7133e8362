package kernel

// transposeKernel copies a block of a matrix across its rows, or adds it where acc:
//
//	for i := range cols {
//		for j := range width {
//			v := 0; if j < rows { v = src[j*ld+i] }
//			dst[off[i]+j] = v    // or +=
//		}
//	}
//
// cols and width are at most 16, rows at most width.
type transposeKernel func(dst []float32, off *[16]int, src []float32, ld, rows, cols, width int, acc bool)

func transposeGo(dst []float32, off *[16]int, src []float32, ld, rows, cols, width int, acc bool) {
	for i, at := range off[:cols] {
		d := dst[at : at+width]
		if !acc {
			clear(d)
		}
		for j := range rows {
			d[j] += src[j*ld+i]
		}
	}
}

// transposePanel fills the columns of a panel of packed weights: row off[i] of
// d gets column i of n rows of src, n being at most the panel's width, and zeros.
func transposePanel(d []float32, off *[16]int, src []float32, ld, n, cols int) {
	for j := 0; j < cpu.nr; j += 16 {
		rows := min(max(n-j, 0), 16)
		s := src
		if rows > 0 {
			s = src[j*ld:]
		}
		cpu.transpose(d[j:], off, s, ld, rows, cols, min(16, cpu.nr-j), false)
	}
}
