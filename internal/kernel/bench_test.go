package kernel

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

var peakOf struct {
	sync.Mutex
	flops map[int]float64
}

// rate runs f and reports the best of its rounds: GFLOP/s and percent of the peak.
func rate(b *testing.B, flops int64, f func()) {
	peakOf.Lock()
	if peakOf.flops == nil {
		peakOf.flops = map[int]float64{}
	}
	peak := peakOf.flops[Threads()]
	if peak == 0 {
		peak = MeasurePeak()
		peakOf.flops[Threads()] = peak
	}
	peakOf.Unlock()
	f()
	var best time.Duration
	for b.Loop() {
		start := time.Now()
		f()
		if d := time.Since(start); best == 0 || d < best {
			best = d
		}
	}
	got := float64(flops) / best.Seconds()
	b.ReportMetric(got/1e9, "GFLOP/s")
	b.ReportMetric(100*got/peak, "%peak")
	b.ReportMetric(best.Seconds()*1e3, "ms-min")
	b.ReportMetric(0, "ns/op")
}

func eachThreads(b *testing.B, f func(b *testing.B)) {
	defer SetThreads(Threads())
	for _, n := range []int{1, 2} {
		SetThreads(n)
		b.Run(fmt.Sprintf("threads=%d", n), f)
	}
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range [][3]int{
		{1024, 1024, 1024}, {4096, 768, 768}, {4096, 3072, 768}, {4096, 768, 3072}, {788, 768, 768},
		{1, 1000, 512}, {16, 1000, 512}, {16, 768, 768}, {128, 10, 64},
	} {
		m, n, k := s[0], s[1], s[2]
		x, y, c := random(1, m*k), random(2, k*n), Alloc(m*n)
		p := PackB(false, n, k, y, n)
		b.Run(fmt.Sprintf("%dx%dx%d", m, n, k), func(b *testing.B) {
			eachThreads(b, func(b *testing.B) {
				flops := 2 * int64(m) * int64(n) * int64(k)
				b.Run("packed", func(b *testing.B) {
					rate(b, flops, func() { GemmPacked(false, m, x, k, p, false, c, n, nil) })
				})
				b.Run("NN", func(b *testing.B) {
					rate(b, flops, func() { Gemm(false, false, m, n, k, x, k, y, n, false, c, n, nil) })
				})
				b.Run("NT", func(b *testing.B) {
					rate(b, flops, func() { Gemm(false, true, m, n, k, x, k, y, k, false, c, n, nil) })
				})
				b.Run("TN", func(b *testing.B) {
					rate(b, flops, func() { Gemm(true, false, m, n, k, x, m, y, n, false, c, n, nil) })
				})
			})
		})
	}
}
