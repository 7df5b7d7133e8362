//go:build !noasm

package kernel

import "unsafe"

func transposeVector(dst []float32, off *[16]int, src []float32, ld, rows, cols, width int, acc bool) {
	transposeAVX512(unsafe.SliceData(dst), off, unsafe.SliceData(src), ld, rows, cols, width, acc)
}
