//go:build !noasm

package kernel

import features "golang.org/x/sys/cpu"

// levels lists the sets of kernels that this processor has, plainest first.
func levels() []level {
	ls := []level{genericLevel}
	if x := &features.X86; x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ && x.HasBMI2 {
		ls = append(ls, avx512Level)
	}
	return ls
}

var avx512Level = level{
	name: "avx512", mr: 14, nr: 32, tile: tileAVX512,
	depthwise: depthwiseAVX512, depthwiseGrad: depthwiseGradAVX512, transpose: transposeVector, edges: true,
	peak: peakAVX512, peakFLOPs: 2 * 12 * 16,
}
