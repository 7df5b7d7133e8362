//go:build !noasm

package kernel

import "unsafe"

// depthwisesAVX512 and depthwiseGradsAVX512 hold the kernels by number of pixels, counted from 1.
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
