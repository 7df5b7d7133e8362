//go:build !noasm

package kernel

import "unsafe"

// tilesAVX512 holds the kernels by number of vectors and rows, counted from 1.
var tilesAVX512 = [2][maxRows]func(t *byte, mask uint16){
	{
		tileAVX512m1v1,
		tileAVX512m2v1,
		tileAVX512m3v1,
		tileAVX512m4v1,
		tileAVX512m5v1,
		tileAVX512m6v1,
		tileAVX512m7v1,
		tileAVX512m8v1,
		tileAVX512m9v1,
		tileAVX512m10v1,
		tileAVX512m11v1,
		tileAVX512m12v1,
		tileAVX512m13v1,
		tileAVX512m14v1,
	},
	{
		tileAVX512m1v2,
		tileAVX512m2v2,
		tileAVX512m3v2,
		tileAVX512m4v2,
		tileAVX512m5v2,
		tileAVX512m6v2,
		tileAVX512m7v2,
		tileAVX512m8v2,
		tileAVX512m9v2,
		tileAVX512m10v2,
		tileAVX512m11v2,
		tileAVX512m12v2,
		tileAVX512m13v2,
		tileAVX512m14v2,
	},
}

func tileAVX512(t *tile, m, n int) {
	v := (n - 1) / 16
	tilesAVX512[v][m-1]((*byte)(unsafe.Pointer(t)), uint16(1<<(n-16*v)-1))
}
