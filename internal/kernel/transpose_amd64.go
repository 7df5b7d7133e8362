//go:build !noasm

package kernel

import "unsafe"

func transposeVector16(dst []float32, off *[16]int, src []float32, ld, rows, cols, width int, acc bool) {
	transposeAVX512(unsafe.SliceData(dst), off, unsafe.SliceData(src), ld, rows, cols, width, acc)
}

// transposeVector8 takes 8 by 8 values at a time.
func transposeVector8(dst []float32, off *[16]int, src []float32, ld, rows, cols, width int, acc bool) {
	for j := 0; j < width; j += 8 {
		n := min(8, max(0, rows-j))
		for i := 0; i < cols; i += 8 {
			s := src
			if n > 0 {
				s = src[j*ld+i:]
			}
			transposeAVX2(unsafe.SliceData(dst[j:]), &off[i], unsafe.SliceData(s), ld, n, min(8, cols-i), min(8, width-j), acc)
		}
	}
}
