package kernel

import (
	"math"
	"sync/atomic"
	"time"
)

// MeasurePeak measures the multiply-add throughput of the kernels' vector
// width on all threads at once, in FLOP/s: the ceiling of a product of matrices. It
// takes some 30 ms.
func MeasurePeak() float64 {
	n := Threads()
	var best time.Duration
	const rounds = 1 << 19
	for range 8 {
		start := time.Now()
		Parallel(n, func(int) { cpu.peak(rounds) })
		if d := time.Since(start); best == 0 || d < best {
			best = d
		}
	}
	return float64(n) * rounds * cpu.peakFLOPs / best.Seconds()
}

// peakGo does n rounds of 8 independent scalar multiply-adds.
func peakGo(n int) {
	var a, b, c, d, e, f, g, h float32
	x := float32(n&1) + 0.5
	for range n {
		a = a*x + x
		b = b*x + x
		c = c*x + x
		d = d*x + x
		e = e*x + x
		f = f*x + x
		g = g*x + x
		h = h*x + x
	}
	sink.Store(math.Float32bits(a + b + c + d + e + f + g + h))
}

// sink keeps the compiler from leaving out peakGo's loop.
var sink atomic.Uint32
