package kernel

import (
	"fmt"
	"math"
	"testing"
)

func TestSGD(t *testing.T) {
	eachVec(t, func(t *testing.T) {
		for _, s := range []SGD{
			{LR: 0.1},
			{LR: 0.1, WeightDecay: 0.01},
			{LR: 0.1, Momentum: 0.9},
			{LR: 0.1, Momentum: 0.9, Dampening: 0.3, WeightDecay: 1e-3},
			{LR: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 1e-3},
		} {
			for _, n := range []int{1, 37, 20000} {
				for _, masked := range []bool{false, true} {
					r := testRand(1)
					w := randSlice(r, n, 1)
					var mask []bool
					if masked {
						mask = make([]bool, n)
						for i := range mask {
							mask[i] = r.IntN(3) > 0
						}
					}
					start := append([]float32{}, w...)
					want, buf := widen(w), make([]float64, n)
					b := randSlice(r, n, 1) // what a fresh buffer holds does not matter
					old := append([]float32{}, b...)
					for step := range 4 {
						g := randSlice(r, n, 1)
						s.Step(w, g, b, step == 0, mask)
						for i := range want {
							if masked && !mask[i] {
								continue
							}
							d := float64(g[i]) + s.WeightDecay*want[i]
							if s.Momentum != 0 {
								if step == 0 {
									buf[i] = d
								} else {
									buf[i] = s.Momentum*buf[i] + (1-s.Dampening)*d
								}
								if s.Nesterov {
									d += s.Momentum * buf[i]
								} else {
									d = buf[i]
								}
							}
							want[i] -= s.LR * d
						}
					}
					close64(t, fmt.Sprintf("%+v n %d mask %v", s, n, masked), w, want, 1e-6)
					for i := range mask {
						if !mask[i] && (w[i] != start[i] || b[i] != old[i]) {
							t.Fatalf("%+v: masked element %d changed", s, i)
						}
					}
				}
			}
		}
	})
}

func TestAdamW(t *testing.T) {
	eachVec(t, func(t *testing.T) {
		a := AdamW{LR: 1e-2, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}
		for _, n := range []int{1, 37, 20000} {
			r := testRand(2)
			w, m, v := randSlice(r, n, 1), make([]float32, n), make([]float32, n)
			mask := make([]bool, n)
			for i := range mask {
				mask[i] = i%5 != 2
			}
			start := append([]float32{}, w...)
			want, wm, wv := widen(w), make([]float64, n), make([]float64, n)
			for step := 1; step <= 5; step++ {
				g := randSlice(r, n, 1)
				a.Step(w, g, m, v, step, mask)
				for i := range want {
					if !mask[i] {
						continue
					}
					d := float64(g[i])
					want[i] *= 1 - a.LR*a.WeightDecay
					wm[i] = a.Beta1*wm[i] + (1-a.Beta1)*d
					wv[i] = a.Beta2*wv[i] + (1-a.Beta2)*d*d
					want[i] -= a.LR / (1 - math.Pow(a.Beta1, float64(step))) * wm[i] /
						(math.Sqrt(wv[i])/math.Sqrt(1-math.Pow(a.Beta2, float64(step))) + a.Eps)
				}
			}
			close64(t, fmt.Sprint("n ", n), w, want, 2e-6)
			close64(t, fmt.Sprint("m ", n), m, wm, 1e-6)
			for i := range mask {
				if !mask[i] && (w[i] != start[i] || m[i] != 0 || v[i] != 0) {
					t.Fatalf("masked element %d changed", i)
				}
			}
		}
	})
}

func TestGlobalNorm(t *testing.T) {
	a, b := []float32{3, 0}, make([]float32, 200000)
	b[150000] = 4
	if got := GlobalNorm(a, b, nil); math.Abs(got-5) > 1e-9 {
		t.Errorf("norm is %v, want 5", got)
	}
	if ClipScale(0.5, 1) != 1 || math.Abs(float64(ClipScale(10, 1))-0.1) > 1e-6 {
		t.Errorf("clip scales are %v and %v", ClipScale(0.5, 1), ClipScale(10, 1))
	}
}
