//go:build !noasm

package kernel

import "unsafe"

// transposeVector4 leaves what fills no block of 4 by 4 to transposeGo.
func transposeVector4(dst []float32, off *[16]int, src []float32, ld, rows, cols, width int, acc bool) {
	r, c := rows&^3, cols&^3
	if r == 0 || c == 0 {
		transposeGo(dst, off, src, ld, rows, cols, width, acc)
		return
	}
	transposeNEON(unsafe.SliceData(dst), off, unsafe.SliceData(src), ld, r, c, acc)
	if width > r {
		var below []float32
		if rows > r {
			below = src[r*ld:]
		}
		transposeGo(dst[r:], off, below, ld, rows-r, c, width-r, acc)
	}
	if cols > c {
		var rest [16]int
		copy(rest[:], off[c:])
		transposeGo(dst, &rest, src[c:], ld, rows, cols-c, width, acc)
	}
}
