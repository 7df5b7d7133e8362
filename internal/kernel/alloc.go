package kernel

import (
	"math/bits"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Alloc returns n zeros that start on a cache line (64 bytes), as the vector
// kernels like them. Any other slice works too, at times slower.
func Alloc(n int) []float32 { return tensor.New(tensor.Float32, n).F32() }

// scratch keeps working memory for reuse, by size class. Unlike a sync.Pool it
// survives garbage collections: touching fresh memory costs more than most kernels.
var scratch struct {
	sync.Mutex
	free map[int][]*[]float32
}

// scratchSize rounds n up to a quarter of a power of two.
func scratchSize(n int) int {
	n = max(n, 1024)
	step := 1 << (bits.Len(uint(n-1)) - 3)
	return split(n, step) * step
}

// getScratch returns at least n floats on a cache line; give them back with
// putScratch. Contents are arbitrary.
func getScratch(n int) *[]float32 {
	n = scratchSize(n)
	scratch.Lock()
	defer scratch.Unlock()
	if l := scratch.free[n]; len(l) > 0 {
		scratch.free[n] = l[:len(l)-1]
		return l[len(l)-1]
	}
	s := Alloc(n)
	return &s
}

// scratchHeld is the size in floats from which on ReleaseScratch lets go of memory.
const scratchHeld = 1 << 18

// ReleaseScratch lets go of large working memory that is kept for reuse and not in use: for when other
// layers run next. It may be called from any goroutine.
func ReleaseScratch() {
	scratch.Lock()
	defer scratch.Unlock()
	for n := range scratch.free {
		if n >= scratchHeld {
			delete(scratch.free, n)
		}
	}
}

func putScratch(p *[]float32) {
	scratch.Lock()
	defer scratch.Unlock()
	if scratch.free == nil {
		scratch.free = map[int][]*[]float32{}
	}
	scratch.free[len(*p)] = append(scratch.free[len(*p)], p)
}
