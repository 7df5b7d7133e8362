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

// tilesAVX2 holds the kernels by number of rows, counted from 1: one vector, two, two whole ones.
var tilesAVX2 = [6][3]func(t *byte, n int){
	{tileAVX2m1v1tail, tileAVX2m1v2tail, tileAVX2m1v2},
	{tileAVX2m2v1tail, tileAVX2m2v2tail, tileAVX2m2v2},
	{tileAVX2m3v1tail, tileAVX2m3v2tail, tileAVX2m3v2},
	{tileAVX2m4v1tail, tileAVX2m4v2tail, tileAVX2m4v2},
	{tileAVX2m5v1tail, tileAVX2m5v2tail, tileAVX2m5v2},
	{tileAVX2m6v1tail, tileAVX2m6v2tail, tileAVX2m6v2},
}

func tileAVX2(t *tile, m, n int) {
	k := &tilesAVX2[m-1]
	p := (*byte)(unsafe.Pointer(t))
	switch {
	case n <= 8:
		k[0](p, n)
	case n < 16:
		k[1](p, n-8)
	default:
		k[2](p, n)
	}
}
