package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// random returns n values in [-1, 1) of a fixed sequence.
//
//go:norace
func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	s := make([]float32, n)
	for i := range s {
		s[i] = 2*r.Float32() - 1
	}
	return s
}

// near fails unless got equals want within tol, relative to scale: the
// rounding of a sum grows with its terms, not with its result.
//
//go:norace
func near(t *testing.T, what string, got []float32, want []float64, scale float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	tol := 1e-6 * (scale + 4)
	for i, w := range want {
		g := float64(got[i])
		if math.IsNaN(w) && math.IsNaN(g) || w == g {
			continue
		}
		if math.IsInf(w, 0) || !(math.Abs(g-w) <= tol*(1+math.Abs(w))) {
			t.Fatalf("%s: [%d] = %v, want %v", what, i, g, w)
		}
	}
}

// refAct is the epilogue's activation.
func refAct(e *Epilogue, v float64) float64 {
	hs := min(max(v/6+0.5, 0), 1)
	switch e.Act {
	case ActRelu:
		return max(v, 0)
	case ActClip:
		return min(max(v, float64(e.Lo)), float64(e.Hi))
	case ActLeakyRelu:
		if v < 0 {
			return v * float64(e.Lo)
		}
	case ActSigmoid:
		return 1 / (1 + math.Exp(-v))
	case ActSilu:
		return v / (1 + math.Exp(-v))
	case ActHardSigmoid:
		return hs
	case ActHardSwish:
		return v * hs
	case ActTanh:
		return math.Tanh(v)
	case ActGelu:
		return v / 2 * (1 + math.Erf(v/math.Sqrt2))
	case ActGeluTanh:
		return v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
	}
	return v
}

// refGemm is Gemm in float64; c is the old content.
//
//go:norace
func refGemm(transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, acc bool, c []float32, ldc int, e *Epilogue) []float64 {
	out := make([]float64, len(c))
	for i, v := range c {
		out[i] = float64(v)
	}
	for i := range m {
		for j := range n {
			var s float64
			if acc {
				s = float64(c[i*ldc+j])
			}
			for p := range k {
				x, y := i*lda+p, p*ldb+j
				if transA {
					x = p*lda + i
				}
				if transB {
					y = j*ldb + p
				}
				s += float64(a[x]) * float64(b[y])
			}
			if e != nil {
				if e.Bias != nil {
					s += float64(e.Bias[j])
				}
				if e.Residual != nil {
					s += float64(e.Residual[i*ldc+j])
				}
				s = refAct(e, s)
			}
			out[i*ldc+j] = s
		}
	}
	return out
}

// eachTap calls f with the indices of every product of a convolution.
//
//go:norace
func eachTap(v Conv2D, f func(x, w, y int)) {
	v = v.norm()
	oh, ow := v.OutH(), v.OutW()
	kg, cg := v.K/v.Groups, v.C/v.Groups
	for n := range v.N {
		for i := range oh {
			for j := range ow {
				for k := range v.K {
					y := ((n*oh+i)*ow+j)*v.K + k
					for r := range v.R {
						for s := range v.S {
							ih, iw := i*v.StrideH+r*v.DilH-v.PadT, j*v.StrideW+s*v.DilW-v.PadL
							if ih < 0 || ih >= v.H || iw < 0 || iw >= v.W {
								continue
							}
							for c := range cg {
								f(((n*v.H+ih)*v.W+iw)*v.C+k/kg*cg+c, ((k*cg+c)*v.R+r)*v.S+s, y)
							}
						}
					}
				}
			}
		}
	}
}

func refEpilogue(sum []float64, channels int, e *Epilogue) {
	if e == nil {
		return
	}
	for i := range sum {
		if e.Bias != nil {
			sum[i] += float64(e.Bias[i%channels])
		}
		if e.Residual != nil {
			sum[i] += float64(e.Residual[i])
		}
		sum[i] = refAct(e, sum[i])
	}
}

//go:norace
func widen(s []float32) []float64 {
	d := make([]float64, len(s))
	for i, v := range s {
		d[i] = float64(v)
	}
	return d
}
