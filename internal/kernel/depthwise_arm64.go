//go:build !noasm

package kernel

import "unsafe"

func depthwiseNEON(t *dwTile, m, n int) { depthwisesNEON[m-1]((*byte)(unsafe.Pointer(t)), n) }

func depthwiseGradNEON(t *dwGradTile, m, n int) {
	depthwiseGradsNEON[m-1]((*byte)(unsafe.Pointer(t)), n)
}

var slidingNEON = map[[2]int]slidingKernels{
	{3, 1}: slidingOf(&slides3d1, &slideGrads3d1),
	{3, 2}: slidingOf(&slides3d2, &slideGrads3d2),
	{5, 1}: slidingOf(&slides5d1, &slideGrads5d1),
	{5, 2}: slidingOf(&slides5d2, &slideGrads5d2),
}

var (
	depthwisesNEON = byPixels{
		depthwiseNEONm1,
		depthwiseNEONm2,
		depthwiseNEONm3,
		depthwiseNEONm4,
		depthwiseNEONm5,
		depthwiseNEONm6,
		depthwiseNEONm7,
		depthwiseNEONm8,
		depthwiseNEONm9,
		depthwiseNEONm10,
		depthwiseNEONm11,
		depthwiseNEONm12,
		depthwiseNEONm13,
		depthwiseNEONm14,
	}
	depthwiseGradsNEON = byPixels{
		depthwiseGradNEONm1,
		depthwiseGradNEONm2,
		depthwiseGradNEONm3,
		depthwiseGradNEONm4,
		depthwiseGradNEONm5,
		depthwiseGradNEONm6,
		depthwiseGradNEONm7,
		depthwiseGradNEONm8,
		depthwiseGradNEONm9,
		depthwiseGradNEONm10,
		depthwiseGradNEONm11,
		depthwiseGradNEONm12,
		depthwiseGradNEONm13,
		depthwiseGradNEONm14,
	}
	slides3d1 = byPixels{
		slideNEONs3d1m1,
		slideNEONs3d1m2,
		slideNEONs3d1m3,
		slideNEONs3d1m4,
		slideNEONs3d1m5,
		slideNEONs3d1m6,
		slideNEONs3d1m7,
		slideNEONs3d1m8,
		slideNEONs3d1m9,
		slideNEONs3d1m10,
		slideNEONs3d1m11,
		slideNEONs3d1m12,
		slideNEONs3d1m13,
		slideNEONs3d1m14,
	}
	slides3d2 = byPixels{
		slideNEONs3d2m1,
		slideNEONs3d2m2,
		slideNEONs3d2m3,
		slideNEONs3d2m4,
		slideNEONs3d2m5,
		slideNEONs3d2m6,
		slideNEONs3d2m7,
		slideNEONs3d2m8,
		slideNEONs3d2m9,
		slideNEONs3d2m10,
		slideNEONs3d2m11,
		slideNEONs3d2m12,
		slideNEONs3d2m13,
		slideNEONs3d2m14,
	}
	slides5d1 = byPixels{
		slideNEONs5d1m1,
		slideNEONs5d1m2,
		slideNEONs5d1m3,
		slideNEONs5d1m4,
		slideNEONs5d1m5,
		slideNEONs5d1m6,
		slideNEONs5d1m7,
		slideNEONs5d1m8,
		slideNEONs5d1m9,
		slideNEONs5d1m10,
		slideNEONs5d1m11,
		slideNEONs5d1m12,
		slideNEONs5d1m13,
		slideNEONs5d1m14,
	}
	slides5d2 = byPixels{
		slideNEONs5d2m1,
		slideNEONs5d2m2,
		slideNEONs5d2m3,
		slideNEONs5d2m4,
		slideNEONs5d2m5,
		slideNEONs5d2m6,
		slideNEONs5d2m7,
		slideNEONs5d2m8,
		slideNEONs5d2m9,
		slideNEONs5d2m10,
		slideNEONs5d2m11,
		slideNEONs5d2m12,
		slideNEONs5d2m13,
		slideNEONs5d2m14,
	}
	slideGrads3d1 = byPixels{
		slideGradNEONs3d1m1,
		slideGradNEONs3d1m2,
		slideGradNEONs3d1m3,
		slideGradNEONs3d1m4,
		slideGradNEONs3d1m5,
		slideGradNEONs3d1m6,
		slideGradNEONs3d1m7,
		slideGradNEONs3d1m8,
		slideGradNEONs3d1m9,
		slideGradNEONs3d1m10,
		slideGradNEONs3d1m11,
		slideGradNEONs3d1m12,
		slideGradNEONs3d1m13,
		slideGradNEONs3d1m14,
	}
	slideGrads3d2 = byPixels{
		slideGradNEONs3d2m1,
		slideGradNEONs3d2m2,
		slideGradNEONs3d2m3,
		slideGradNEONs3d2m4,
		slideGradNEONs3d2m5,
		slideGradNEONs3d2m6,
		slideGradNEONs3d2m7,
		slideGradNEONs3d2m8,
		slideGradNEONs3d2m9,
		slideGradNEONs3d2m10,
		slideGradNEONs3d2m11,
		slideGradNEONs3d2m12,
		slideGradNEONs3d2m13,
		slideGradNEONs3d2m14,
	}
	slideGrads5d1 = byPixels{
		slideGradNEONs5d1m1,
		slideGradNEONs5d1m2,
		slideGradNEONs5d1m3,
		slideGradNEONs5d1m4,
		slideGradNEONs5d1m5,
		slideGradNEONs5d1m6,
		slideGradNEONs5d1m7,
		slideGradNEONs5d1m8,
		slideGradNEONs5d1m9,
		slideGradNEONs5d1m10,
		slideGradNEONs5d1m11,
		slideGradNEONs5d1m12,
		slideGradNEONs5d1m13,
		slideGradNEONs5d1m14,
	}
	slideGrads5d2 = byPixels{
		slideGradNEONs5d2m1,
		slideGradNEONs5d2m2,
		slideGradNEONs5d2m3,
		slideGradNEONs5d2m4,
		slideGradNEONs5d2m5,
		slideGradNEONs5d2m6,
		slideGradNEONs5d2m7,
		slideGradNEONs5d2m8,
		slideGradNEONs5d2m9,
		slideGradNEONs5d2m10,
		slideGradNEONs5d2m11,
		slideGradNEONs5d2m12,
		slideGradNEONs5d2m13,
		slideGradNEONs5d2m14,
	}
)
