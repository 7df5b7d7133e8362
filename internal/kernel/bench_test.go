package kernel

import (
	"flag"
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

// Small batches give steadier numbers on a busy machine.
var batch = flag.Int("batch", 16, "batch size of the convolution benchmarks")

func BenchmarkConv(b *testing.B) {
	square := func(n, hw, c, k, r, stride, pad int) Conv2D {
		return Conv2D{N: n, H: hw, W: hw, C: c, K: k, R: r, S: r, StrideH: stride, StrideW: stride, PadT: pad, PadL: pad, PadB: pad, PadR: pad}
	}
	depthwise := func(n, hw, c, r, stride int) Conv2D {
		v := square(n, hw, c, c, r, stride, r/2)
		v.Groups = c
		return v
	}
	for _, c := range []struct {
		name string
		v    Conv2D
	}{
		{"resnet18-stem", square(*batch, 224, 3, 64, 7, 2, 3)},
		{"resnet18-layer1", square(*batch, 56, 64, 64, 3, 1, 1)},
		{"resnet18-layer2", square(*batch, 28, 128, 128, 3, 1, 1)},
		{"resnet18-layer3", square(*batch, 14, 256, 256, 3, 1, 1)},
		{"resnet18-layer4", square(*batch, 7, 512, 512, 3, 1, 1)},
		{"resnet18-down2", square(*batch, 56, 64, 128, 3, 2, 1)},
		{"resnet18-down4", square(*batch, 14, 256, 512, 3, 2, 1)},
		{"resnet18-side2", square(*batch, 56, 64, 128, 1, 2, 0)},
		{"resnet50-wide1", square(*batch, 56, 64, 256, 1, 1, 0)},
		{"resnet50-narrow1", square(*batch, 56, 256, 64, 1, 1, 0)},
		{"resnet50-wide4", square(*batch, 7, 512, 2048, 1, 1, 0)},
		{"cifar-16", square(8**batch, 32, 16, 16, 3, 1, 1)},
		{"cifar-32", square(8**batch, 16, 32, 32, 3, 1, 1)},
		{"cifar-64", square(8**batch, 8, 64, 64, 3, 1, 1)},
		{"mobilenet-dw-112", depthwise(*batch, 112, 32, 3, 1)},
		{"mobilenet-dw-56s2", depthwise(*batch, 112, 96, 3, 2)},
		{"mobilenet-dw-14", depthwise(*batch, 14, 384, 3, 1)},
		{"efficientnet-dw-14", depthwise(*batch, 14, 672, 5, 1)},
		{"mobilenet-expand-112", square(*batch, 112, 16, 96, 1, 1, 0)},
		{"mobilenet-project-56", square(*batch, 56, 144, 24, 1, 1, 0)},
	} {
		v := c.v
		x, w, y := random(1, v.XLen()), random(2, v.WLen()), random(3, v.YLen())
		dx, dw := Alloc(v.XLen()), Alloc(v.WLen())
		p, g := PackConv(v, w), PackConvGrad(v, w)
		e := &Epilogue{Bias: random(4, v.K), Act: ActRelu}
		b.Run(c.name, func(b *testing.B) {
			eachThreads(b, func(b *testing.B) {
				b.Run("forward", func(b *testing.B) { rate(b, v.FLOPs(), func() { ConvForward(v, x, p, y, e) }) })
				b.Run("input", func(b *testing.B) { rate(b, v.FLOPs(), func() { ConvGradInput(v, y, g, dx, nil) }) })
				b.Run("weight", func(b *testing.B) { rate(b, v.FLOPs(), func() { ConvGradWeight(v, x, y, false, dw) }) })
				b.Run("pack", func(b *testing.B) { rate(b, int64(v.WLen()), func() { p.Pack(w) }) })
				b.Run("packgrad", func(b *testing.B) { rate(b, int64(v.WLen()), func() { g.Pack(w) }) })
			})
		})
	}
}
