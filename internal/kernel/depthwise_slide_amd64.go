//go:build !noasm

package kernel

import "unsafe"

var slidingAVX512 = map[[2]int]slidingKernels{
	{3, 1}: slidingOf(&slides3d1, &slideGrads3d1),
	{3, 2}: slidingOf(&slides3d2, &slideGrads3d2),
	{5, 1}: slidingOf(&slides5d1, &slideGrads5d1),
	{5, 2}: slidingOf(&slides5d2, &slideGrads5d2),
}

// byPixels holds kernels by number of pixels, counted from 1.
type byPixels [maxRows]func(t *byte, n int)

func slidingOf(forward, grad *byPixels) slidingKernels {
	return slidingKernels{
		func(t *dwTile, m, n int) { forward[m-1]((*byte)(unsafe.Pointer(t)), n) },
		func(t *dwGradTile, m, n int) { grad[m-1]((*byte)(unsafe.Pointer(t)), n) },
	}
}

var (
	slides3d1 = byPixels{
		slideAVX512s3d1m1,
		slideAVX512s3d1m2,
		slideAVX512s3d1m3,
		slideAVX512s3d1m4,
		slideAVX512s3d1m5,
		slideAVX512s3d1m6,
		slideAVX512s3d1m7,
		slideAVX512s3d1m8,
		slideAVX512s3d1m9,
		slideAVX512s3d1m10,
		slideAVX512s3d1m11,
		slideAVX512s3d1m12,
		slideAVX512s3d1m13,
		slideAVX512s3d1m14,
	}
	slides3d2 = byPixels{
		slideAVX512s3d2m1,
		slideAVX512s3d2m2,
		slideAVX512s3d2m3,
		slideAVX512s3d2m4,
		slideAVX512s3d2m5,
		slideAVX512s3d2m6,
		slideAVX512s3d2m7,
		slideAVX512s3d2m8,
		slideAVX512s3d2m9,
		slideAVX512s3d2m10,
		slideAVX512s3d2m11,
		slideAVX512s3d2m12,
		slideAVX512s3d2m13,
		slideAVX512s3d2m14,
	}
	slides5d1 = byPixels{
		slideAVX512s5d1m1,
		slideAVX512s5d1m2,
		slideAVX512s5d1m3,
		slideAVX512s5d1m4,
		slideAVX512s5d1m5,
		slideAVX512s5d1m6,
		slideAVX512s5d1m7,
		slideAVX512s5d1m8,
		slideAVX512s5d1m9,
		slideAVX512s5d1m10,
		slideAVX512s5d1m11,
		slideAVX512s5d1m12,
		slideAVX512s5d1m13,
		slideAVX512s5d1m14,
	}
	slides5d2 = byPixels{
		slideAVX512s5d2m1,
		slideAVX512s5d2m2,
		slideAVX512s5d2m3,
		slideAVX512s5d2m4,
		slideAVX512s5d2m5,
		slideAVX512s5d2m6,
		slideAVX512s5d2m7,
		slideAVX512s5d2m8,
		slideAVX512s5d2m9,
		slideAVX512s5d2m10,
		slideAVX512s5d2m11,
		slideAVX512s5d2m12,
		slideAVX512s5d2m13,
		slideAVX512s5d2m14,
	}
	slideGrads3d1 = byPixels{
		slideGradAVX512s3d1m1,
		slideGradAVX512s3d1m2,
		slideGradAVX512s3d1m3,
		slideGradAVX512s3d1m4,
		slideGradAVX512s3d1m5,
		slideGradAVX512s3d1m6,
		slideGradAVX512s3d1m7,
		slideGradAVX512s3d1m8,
		slideGradAVX512s3d1m9,
		slideGradAVX512s3d1m10,
		slideGradAVX512s3d1m11,
		slideGradAVX512s3d1m12,
		slideGradAVX512s3d1m13,
		slideGradAVX512s3d1m14,
	}
	slideGrads3d2 = byPixels{
		slideGradAVX512s3d2m1,
		slideGradAVX512s3d2m2,
		slideGradAVX512s3d2m3,
		slideGradAVX512s3d2m4,
		slideGradAVX512s3d2m5,
		slideGradAVX512s3d2m6,
		slideGradAVX512s3d2m7,
		slideGradAVX512s3d2m8,
		slideGradAVX512s3d2m9,
		slideGradAVX512s3d2m10,
		slideGradAVX512s3d2m11,
		slideGradAVX512s3d2m12,
		slideGradAVX512s3d2m13,
		slideGradAVX512s3d2m14,
	}
	slideGrads5d1 = byPixels{
		slideGradAVX512s5d1m1,
		slideGradAVX512s5d1m2,
		slideGradAVX512s5d1m3,
		slideGradAVX512s5d1m4,
		slideGradAVX512s5d1m5,
		slideGradAVX512s5d1m6,
		slideGradAVX512s5d1m7,
		slideGradAVX512s5d1m8,
		slideGradAVX512s5d1m9,
		slideGradAVX512s5d1m10,
		slideGradAVX512s5d1m11,
		slideGradAVX512s5d1m12,
		slideGradAVX512s5d1m13,
		slideGradAVX512s5d1m14,
	}
	slideGrads5d2 = byPixels{
		slideGradAVX512s5d2m1,
		slideGradAVX512s5d2m2,
		slideGradAVX512s5d2m3,
		slideGradAVX512s5d2m4,
		slideGradAVX512s5d2m5,
		slideGradAVX512s5d2m6,
		slideGradAVX512s5d2m7,
		slideGradAVX512s5d2m8,
		slideGradAVX512s5d2m9,
		slideGradAVX512s5d2m10,
		slideGradAVX512s5d2m11,
		slideGradAVX512s5d2m12,
		slideGradAVX512s5d2m13,
		slideGradAVX512s5d2m14,
	}
)
