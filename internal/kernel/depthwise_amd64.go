//go:build !noasm

package kernel

import "unsafe"

// The kernels by number of pixels, counted from 1.
var depthwisesAVX512 = [maxRows]func(t *byte, n int){
	depthwiseAVX512m1,
	depthwiseAVX512m2,
	depthwiseAVX512m3,
	depthwiseAVX512m4,
	depthwiseAVX512m5,
	depthwiseAVX512m6,
	depthwiseAVX512m7,
	depthwiseAVX512m8,
	depthwiseAVX512m9,
	depthwiseAVX512m10,
	depthwiseAVX512m11,
	depthwiseAVX512m12,
	depthwiseAVX512m13,
	depthwiseAVX512m14,
}

var depthwiseGradsAVX512 = [maxRows]func(t *byte, n int){
	depthwiseGradAVX512m1,
	depthwiseGradAVX512m2,
	depthwiseGradAVX512m3,
	depthwiseGradAVX512m4,
	depthwiseGradAVX512m5,
	depthwiseGradAVX512m6,
	depthwiseGradAVX512m7,
	depthwiseGradAVX512m8,
	depthwiseGradAVX512m9,
	depthwiseGradAVX512m10,
	depthwiseGradAVX512m11,
	depthwiseGradAVX512m12,
	depthwiseGradAVX512m13,
	depthwiseGradAVX512m14,
}

func depthwiseAVX512(t *dwTile, m, n int) {
	depthwisesAVX512[m-1]((*byte)(unsafe.Pointer(t)), n)
}

func depthwiseGradAVX512(t *dwGradTile, m, n int) {
	depthwiseGradsAVX512[m-1]((*byte)(unsafe.Pointer(t)), n)
}

var depthwisesAVX2 = [maxRows]func(t *byte, n int){
	depthwiseAVX2m1,
	depthwiseAVX2m2,
	depthwiseAVX2m3,
	depthwiseAVX2m4,
	depthwiseAVX2m5,
	depthwiseAVX2m6,
	depthwiseAVX2m7,
	depthwiseAVX2m8,
	depthwiseAVX2m9,
	depthwiseAVX2m10,
	depthwiseAVX2m11,
	depthwiseAVX2m12,
	depthwiseAVX2m13,
	depthwiseAVX2m14,
}

var depthwiseGradsAVX2 = [maxRows]func(t *byte, n int){
	depthwiseGradAVX2m1,
	depthwiseGradAVX2m2,
	depthwiseGradAVX2m3,
	depthwiseGradAVX2m4,
	depthwiseGradAVX2m5,
	depthwiseGradAVX2m6,
	depthwiseGradAVX2m7,
	depthwiseGradAVX2m8,
	depthwiseGradAVX2m9,
	depthwiseGradAVX2m10,
	depthwiseGradAVX2m11,
	depthwiseGradAVX2m12,
	depthwiseGradAVX2m13,
	depthwiseGradAVX2m14,
}

func depthwiseAVX2(t *dwTile, m, n int) {
	depthwisesAVX2[m-1]((*byte)(unsafe.Pointer(t)), n)
}

func depthwiseGradAVX2(t *dwGradTile, m, n int) {
	depthwiseGradsAVX2[m-1]((*byte)(unsafe.Pointer(t)), n)
}
