//go:build !noasm

package kernel

import features "golang.org/x/sys/cpu"

// levels lists the sets of kernels that this processor has, plainest first.
func levels() []level {
	if !features.ARM64.HasASIMD {
		return []level{genericLevel}
	}
	return []level{genericLevel, neonLevel}
}

var neonLevel = level{
	name: "neon", mr: 6, nr: 16, tile: tileNEON,
	depthwise: depthwiseNEON, depthwiseGrad: depthwiseGradNEON, transpose: transposeVector4, edges: true,
	sliding:   slidingNEON,
	winoInput: winoInputVector4, winoOutGrad: winoOutGradVector4, winoOutput: winoOutputVector4,
	winoFilter: winoFilterVector4, winoGrad: winoGradVector4,
	peak: peakNEON, peakFLOPs: 2 * 24 * 4,
}
