//go:build (amd64 || arm64) && !noasm

package kernel

import "unsafe"

// byPixels holds kernels by number of pixels, counted from 1.
type byPixels [maxRows]func(t *byte, n int)

func slidingOf(forward, grad *byPixels) slidingKernels {
	return slidingKernels{
		func(t *dwTile, m, n int) { forward[m-1]((*byte)(unsafe.Pointer(t)), n) },
		func(t *dwGradTile, m, n int) { grad[m-1]((*byte)(unsafe.Pointer(t)), n) },
	}
}
