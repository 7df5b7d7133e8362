//go:build !noasm

package kernel

import features "golang.org/x/sys/cpu"

// levels lists the sets of kernels that this processor has, plainest first.
func levels() []level {
	ls := []level{genericLevel}
	x := &features.X86
	if x.HasAVX2 && x.HasFMA && x.HasBMI2 {
		ls = append(ls, avx2Level)
	}
	if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ && x.HasBMI2 {
		ls = append(ls, avx512Level)
	}
	return ls
}

var avx2Level = level{
	name: "avx2", mr: 6, nr: 16, tile: tileAVX2,
	depthwise: depthwiseAVX2, depthwiseGrad: depthwiseGradAVX2, transpose: transposeVector8,
	winoInput: winoInputVector8, winoOutGrad: winoOutGradVector8, winoOutput: winoOutputVector8,
	winoFilter: winoFilterVector8, winoGrad: winoGradVector8,
	peak: peakAVX2, peakFLOPs: 2 * 12 * 8,
}

var avx512Level = level{
	name: "avx512", mr: 14, nr: 32, tile: tileAVX512,
	depthwise: depthwiseAVX512, depthwiseGrad: depthwiseGradAVX512, transpose: transposeVector16, edges: true,
	sliding:   slidingAVX512,
	winoInput: winoInputVector16, winoOutGrad: winoOutGradVector16, winoOutput: winoOutputVector16,
	winoFilter: winoFilterVector16, winoGrad: winoGradVector16,
	peak: peakAVX512, peakFLOPs: 2 * 12 * 16,
}
