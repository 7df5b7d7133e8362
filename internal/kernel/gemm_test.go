package kernel

import (
	"fmt"
	"slices"
	"testing"
)

// eachLevel runs a test with every set of kernels the processor has.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	old := cpu
	defer func() { cpu = old }()
	for _, l := range levels() {
		cpu = l
		t.Run(l.name, f)
	}
}

var gemmShapes = [][3]int{ // m n k
	{1, 1, 1}, {1, 10, 64}, {2, 3, 5}, {3, 33, 7}, {7, 64, 20}, {13, 31, 9}, {14, 32, 16}, {15, 33, 17},
	{16, 16, 0}, {28, 65, 30}, {29, 65, 30}, {45, 10, 100}, {57, 96, 513}, {100, 2, 1100}, {5, 130, 2100}, {40, 27, 2100}, {20, 130, 1021}, {30, 300, 2048},
}

func TestGemm(t *testing.T) {
	for _, s := range gemmShapes {
		m, n, k := s[0], s[1], s[2]
		for v := range 16 {
			if raced && v%5 != 0 { // each option is off and on
				continue
			}
			transA, transB, acc, plus := v&1 != 0, v&2 != 0, v&4 != 0, v&8 != 0
			lda, ldb, ldc := k+3, n+5, n+1
			ra, rb := m, k
			if transA {
				lda, ra = m+3, k
			}
			if transB {
				ldb, rb = k+5, n
			}
			a, b, c := random(1, ra*lda), random(2, rb*ldb), random(3, m*ldc)
			var e *Epilogue
			if plus {
				acts := []Activation{ActNone, ActRelu, ActClip, ActSilu, ActGelu}
				e = &Epilogue{Bias: random(4, n), Residual: random(5, m*ldc), Act: acts[(m+n+v)%len(acts)], Lo: -0.5, Hi: 2}
			}
			want := refGemm(transA, transB, m, n, k, a, lda, b, ldb, acc, c, ldc, e)
			eachLevel(t, func(t *testing.T) {
				what := fmt.Sprintf("%dx%dx%d transA %v transB %v acc %v epilogue %v", m, n, k, transA, transB, acc, plus)
				got := slices.Clone(c)
				Gemm(transA, transB, m, n, k, a, lda, b, ldb, acc, got, ldc, e)
				near(t, "Gemm "+what, got, want, float64(k)/16)

				got = slices.Clone(c)
				GemmPacked(transA, m, a, lda, PackB(transB, n, k, b, ldb), acc, got, ldc, e)
				near(t, "GemmPacked "+what, got, want, float64(k)/16)
			})
		}
	}
}

// A residual that is the result itself is read before it is written, whole or in parts of k.
func TestGemmResidualInPlace(t *testing.T) {
	for _, s := range [][3]int{{20, 40, 30}, {8, 16, 4000}, {70, 40, 2*depthBlock + 1}} {
		m, n, k := s[0], s[1], s[2]
		a, b, c := random(1, m*k), random(2, k*n), random(3, m*n)
		want := refGemm(false, false, m, n, k, a, k, b, n, false, c, n, &Epilogue{Residual: c, Act: ActRelu})
		eachLevel(t, func(t *testing.T) {
			got := slices.Clone(c)
			Gemm(false, false, m, n, k, a, k, b, n, false, got, n, &Epilogue{Residual: got, Act: ActRelu})
			near(t, fmt.Sprint("Gemm ", s), got, want, float64(k)/16)

			got = slices.Clone(c)
			GemmPacked(false, m, a, k, PackB(false, n, k, b, n), false, got, n, &Epilogue{Residual: got, Act: ActRelu})
			near(t, fmt.Sprint("GemmPacked ", s), got, want, float64(k)/16)
		})
	}
}

func TestGemmBatch(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		const count, heads = 6, 3
		for _, s := range [][3]int{{5, 7, 9}, {40, 33, 16}, {130, 130, 130}} {
			m, n, k := s[0], s[1], s[2]
			for v := range 4 {
				transA, transB := v&1 != 0, v&2 != 0
				lda, ldb := k, n
				if transA {
					lda = m
				}
				if transB {
					ldb = k
				}
				a, b, c := random(1, count*m*k), random(2, heads*k*n), make([]float32, count*m*n)
				at := func(i int) (int, int, int) { return i * m * k, i % heads * k * n, i * m * n }
				GemmBatch(count, at, transA, transB, m, n, k, a, lda, b, ldb, false, c, n)
				for i := range count {
					oa, ob, oc := at(i)
					want := refGemm(transA, transB, m, n, k, a[oa:], lda, b[ob:], ldb, false, make([]float32, m*n), n, nil)
					near(t, fmt.Sprint("batch ", s, v, i), c[oc:oc+m*n], want, float64(k)/16)
				}
			}
		}
	})
}

// Bits do not depend on the number of threads.
func TestThreadsSameBits(t *testing.T) {
	defer SetThreads(Threads())
	v := Conv2D{N: 3, H: 9, W: 11, C: 20, K: 24, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1}
	a, b := random(1, 300*3000), random(2, 3000*50)
	x, w, dy := random(3, v.XLen()), random(4, v.WLen()), random(5, v.YLen())
	var first []float32
	for _, n := range []int{1, 2, 5} {
		SetThreads(n)
		c := make([]float32, 300*50)
		Gemm(true, false, 300, 50, 3000, a, 300, b, 50, false, c, 50, nil)
		d := make([]float32, 20*50)
		Gemm(true, false, 20, 50, 3000, a, 300, b, 50, false, d, 50, nil)
		y, dx, dw := make([]float32, v.YLen()), make([]float32, v.XLen()), make([]float32, v.WLen())
		ConvForward(v, x, PackConv(v, w), y, nil)
		ConvGradInput(v, dy, PackConvGrad(v, w), dx, nil)
		ConvGradWeight(v, x, dy, false, dw)
		all := slices.Concat(c, d, y, dx, dw)
		if first == nil {
			first = all
		} else if !slices.Equal(all, first) {
			t.Fatalf("%d threads give other bits than one", n)
		}
	}
}
