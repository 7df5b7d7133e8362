//go:build !noasm

package kernel

import "unsafe"

// tilesNEON holds the kernels by number of rows and of whole vectors, counted from 1.
var tilesNEON = [6][4]func(t *byte, j int){
	{tileNEONm1v1, tileNEONm1v2, tileNEONm1v3, tileNEONm1v4},
	{tileNEONm2v1, tileNEONm2v2, tileNEONm2v3, tileNEONm2v4},
	{tileNEONm3v1, tileNEONm3v2, tileNEONm3v3, tileNEONm3v4},
	{tileNEONm4v1, tileNEONm4v2, tileNEONm4v3, tileNEONm4v4},
	{tileNEONm5v1, tileNEONm5v2, tileNEONm5v3, tileNEONm5v4},
	{tileNEONm6v1, tileNEONm6v2, tileNEONm6v3, tileNEONm6v4},
}

// tailsNEON holds those of 1 to 3 columns.
var tailsNEON = [6][3]func(t *byte, j int){
	{tileNEONm1t1, tileNEONm1t2, tileNEONm1t3},
	{tileNEONm2t1, tileNEONm2t2, tileNEONm2t3},
	{tileNEONm3t1, tileNEONm3t2, tileNEONm3t3},
	{tileNEONm4t1, tileNEONm4t2, tileNEONm4t3},
	{tileNEONm5t1, tileNEONm5t2, tileNEONm5t3},
	{tileNEONm6t1, tileNEONm6t2, tileNEONm6t3},
}

func tileNEON(t *tile, m, n int) {
	p := (*byte)(unsafe.Pointer(t))
	if v := n / 4; v > 0 {
		tilesNEON[m-1][v-1](p, 0)
	}
	if r := n % 4; r > 0 {
		tailsNEON[m-1][r-1](p, n-r)
	}
}
