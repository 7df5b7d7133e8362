package kernel

import (
	"math/bits"
	"sync"
	"unsafe"
)

// Alloc returns n zeros that start on a cache line (64 bytes), as the vector
// kernels like them. Any other slice works too, at times slower.
func Alloc(n int) []float32 {
	const line = 16 // floats
	s := make([]float32, n+line-1)
	off := 0
	if n > 0 {
		off = int(-uintptr(unsafe.Pointer(&s[0]))%64) / 4
	}
	return s[off : off+n : off+n]
}

// scratch hands out working memory by power of two. Contents are arbitrary.
var scratch [48]sync.Pool

// getScratch returns at least n floats on a cache line; give them back with putScratch.
func getScratch(n int) *[]float32 {
	class := bits.Len(uint(max(n, 1024) - 1))
	if p, _ := scratch[class].Get().(*[]float32); p != nil {
		return p
	}
	s := Alloc(1 << class)
	return &s
}

func putScratch(p *[]float32) { scratch[bits.Len(uint(len(*p)-1))].Put(p) }
