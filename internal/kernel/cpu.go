package kernel

import (
	"fmt"
	"os"
	"strings"
)

// level is one set of inner kernels.
type level struct {
	name   string
	mr, nr int // largest tile; packed panels are nr wide
	tile   tileKernel

	depthwise     depthwiseKernel
	depthwiseGrad depthwiseGradKernel
	transpose     transposeKernel
	sliding       map[[2]int]slidingKernels // by columns and stride
	winoInput     func(t *winoInput)
	winoOutGrad   func(t *winoInput)
	winoFilter    func(t *winoInput)
	winoGrad      func(t *winoInput)
	winoOutput    func(t *winoOutput)
	edges         bool // the depthwise kernels read the masks of dwTap

	peak      func(rounds int) // does the most arithmetic it can
	peakFLOPs float64          // of a round
}

var genericLevel = level{
	name: "generic", mr: goRows, nr: goCols, tile: tileGo,
	depthwise: depthwiseGo, depthwiseGrad: depthwiseGradGo, transpose: transposeGo, edges: true,
	winoInput: winoInputGo, winoOutGrad: winoOutGradGo, winoOutput: winoOutputGo,
	winoFilter: winoFilterGo, winoGrad: winoGradGo,
	peak: peakGo, peakFLOPs: 2 * 8,
}

// cpu is the level in use, constant after start-up.
var cpu = startLevel()

// Level names the kernels in use: generic, avx2, avx512 or neon.
func Level() string { return cpu.name }

func startLevel() level {
	l, err := pickLevel(os.Getenv("PERMAFROST_CPU"), levels())
	if err != nil {
		fmt.Fprintf(os.Stderr, "permafrost: %v; using %s\n", err, l.name)
	}
	return l
}

// pickLevel returns the level of that name, or the best (the last) if there
// is none of that name; it is an error if a name was given.
func pickLevel(name string, have []level) (level, error) {
	best := have[len(have)-1]
	if name == "" {
		return best, nil
	}
	var names []string
	for _, l := range have {
		if l.name == name {
			return l, nil
		}
		names = append(names, l.name)
	}
	return best, fmt.Errorf("PERMAFROST_CPU=%s: this program on this processor has %s", name, strings.Join(names, ", "))
}
