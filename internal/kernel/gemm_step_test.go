package kernel

import (
	"fmt"
	"slices"
	"testing"
)

// A step's product is a Gemm that begins elsewhere, and a row of it has the same bits in any company,
// on one thread and on several.
func TestGemmStep(t *testing.T) {
	const most = 20
	for _, s := range [][2]int{{1, 1}, {10, 64}, {33, 7}, {65, 30}, {96, 513}, {70, 1024}, {300, 600}, {512, 1024}} { // n k
		n, k := s[0], s[1]
		ld := n + 3
		a, w, from := random(1, most*k), random(2, n*k), random(3, most*ld)
		eachLevel(t, func(t *testing.T) {
			p := PackB(true, n, k, w, k)
			run := func(apart, zeros bool, i, m int) []float32 {
				start := from[i*ld:]
				if zeros {
					start = nil
				}
				c := make([]float32, m*ld)
				GemmStep(apart, m, a[i*k:], k, p, start, c, ld)
				return c
			}
			for _, zeros := range []bool{false, true} {
				what := fmt.Sprintf("%d by %d, zeros %v", n, k, zeros)
				all := run(true, zeros, 0, most)
				start := make([]float32, most*ld)
				if !zeros {
					start = slices.Clone(from)
				}
				for i := range most {
					clear(start[i*ld+n : (i+1)*ld])
				}
				near(t, what, all, refGemm(false, true, most, n, k, a, k, w, k, true, start, ld, nil), float64(k)/16)
				for _, m := range []int{1, 3, 8, 14} {
					for _, apart := range []bool{false, true} {
						if got := run(apart, zeros, 5, m); !slices.Equal(got, all[5*ld:(5+m)*ld]) {
							t.Errorf("%s: %d rows, apart %v, have other bits than %d", what, m, apart, most)
						}
					}
				}
			}
		})
	}
}
