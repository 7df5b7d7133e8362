package kernel

import (
	"slices"
	"testing"
)

// An image and a row have the same bits whatever comes with them, if the algorithm is chosen for
// the same number of images.
func TestAloneAndInCompany(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		const most = 70
		counts := []int{1, 3, 16}
		if raced {
			counts = counts[2:]
		}
		for _, v := range append(slices.Clone(convShapes),
			Conv2D{H: 4, W: 4, C: 64, K: 64, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
			Conv2D{H: 7, W: 7, C: 32, K: 16, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
			Conv2D{H: 2, W: 3, C: 2304, K: 40, R: 1, S: 1},
		) {
			v.ChosenFor = 64
			x, w := random(1, most*v.H*v.W*v.C), random(2, v.WLen())
			run := func(from, n int) []float32 {
				v := v
				v.N = n
				y := make([]float32, v.YLen())
				ConvForward(v, x[from*v.H*v.W*v.C:], PackConv(v, w), y, nil)
				return y
			}
			all := run(0, most)
			for _, n := range counts {
				got, at := run(5, n), 5*len(all)/most
				if !slices.Equal(got, all[at:at+len(got)]) {
					t.Errorf("%+v: %d images have other bits than in company of %d", v, n, most)
				}
			}
		}
		for _, s := range append(slices.Clone(gemmShapes), [3]int{1, 3800, 2048}) {
			n, k := s[1], s[2]
			a := random(1, most*k)
			b := PackB(false, n, k, random(2, n*k), n)
			run := func(from, m int) []float32 {
				c := make([]float32, m*n)
				GemmPacked(false, m, a[from*k:], k, b, false, c, n, nil)
				return c
			}
			all := run(0, most)
			for _, m := range counts {
				if got := run(5, m); !slices.Equal(got, all[5*n:(5+m)*n]) {
					t.Errorf("%d by %d: %d rows have other bits than in company of %d", n, k, m, most)
				}
			}
		}
	})
}
