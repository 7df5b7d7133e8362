package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

var convShapes = []Conv2D{
	{N: 1, H: 1, W: 1, C: 1, K: 1, R: 1, S: 1},
	{N: 2, H: 5, W: 7, C: 6, K: 9, R: 1, S: 1},
	{N: 2, H: 9, W: 8, C: 5, K: 7, R: 1, S: 1, StrideH: 2, StrideW: 2},
	{N: 2, H: 7, W: 7, C: 16, K: 33, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
	{N: 1, H: 30, W: 29, C: 16, K: 16, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
	{N: 1, H: 8, W: 9, C: 3, K: 10, R: 3, S: 3},
	{N: 2, H: 23, W: 21, C: 3, K: 20, R: 7, S: 7, StrideH: 2, StrideW: 2, PadT: 3, PadL: 3, PadB: 3, PadR: 3},
	{N: 1, H: 14, W: 15, C: 4, K: 40, R: 3, S: 3, StrideH: 2, StrideW: 2, PadT: 0, PadL: 0, PadB: 1, PadR: 1},
	{N: 1, H: 11, W: 13, C: 7, K: 5, R: 3, S: 2, StrideH: 3, StrideW: 2, PadT: 2, PadL: 0, PadB: 1, PadR: 2},
	{N: 2, H: 12, W: 11, C: 4, K: 6, R: 3, S: 3, DilH: 2, DilW: 3, PadT: 2, PadL: 3, PadB: 2, PadR: 3},
	{N: 1, H: 13, W: 12, C: 4, K: 6, R: 3, S: 3, DilH: 2, DilW: 2, StrideH: 2, StrideW: 3, PadT: 2, PadL: 3, PadB: 2, PadR: 3},
	{N: 1, H: 1, W: 50, C: 8, K: 12, R: 1, S: 10, StrideW: 5},
	{N: 1, H: 6, W: 6, C: 8, K: 12, R: 3, S: 3, Groups: 4, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
	{N: 1, H: 6, W: 6, C: 80, K: 40, R: 3, S: 3, Groups: 2, StrideH: 2, StrideW: 2, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
	{N: 2, H: 9, W: 17, C: 20, K: 20, R: 3, S: 3, Groups: 20, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
	{N: 2, H: 10, W: 33, C: 37, K: 37, R: 5, S: 5, Groups: 37, StrideH: 2, StrideW: 2, PadT: 2, PadL: 2, PadB: 2, PadR: 2},
	{N: 1, H: 10, W: 12, C: 16, K: 16, R: 3, S: 3, Groups: 16, DilH: 3, DilW: 2, PadT: 4, PadL: 2, PadB: 4, PadR: 2},
	{N: 1, H: 2, W: 2, C: 18, K: 18, R: 7, S: 7, Groups: 18, PadT: 3, PadL: 3, PadB: 3, PadR: 3},
	{N: 1, H: 5, W: 5, C: 6, K: 12, R: 3, S: 3, Groups: 6, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
	{N: 3, H: 4, W: 4, C: 130, K: 140, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1},
	{N: 1, H: 4, W: 4, C: 3, K: 4, R: 2, S: 2, StrideH: 3, StrideW: 3},
}

func TestConvForward(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for i, v := range convShapes {
			if err := v.Check(); err != nil {
				t.Fatal(err)
			}
			x, w := random(1, v.XLen()), random(2, v.WLen())
			sum := make([]float64, v.YLen())
			eachTap(v, func(ix, iw, iy int) { sum[iy] += float64(x[ix]) * float64(w[iw]) })
			p := PackConv(v, w)
			for _, e := range []*Epilogue{
				nil,
				{Bias: random(3, v.K), Act: ActRelu},
				{Bias: random(3, v.K), Residual: random(4, v.YLen()), Act: ActClip, Lo: -0.25, Hi: 1},
				{Residual: random(4, v.YLen()), Act: ActHardSwish},
			} {
				want := slices.Clone(sum)
				refEpilogue(want, v.K, e)
				y := random(9, v.YLen())
				ConvForward(v, x, p, y, e)
				near(t, fmt.Sprintf("%d %+v %+v", i, v, e != nil), y, want, float64(v.C*v.R*v.S)/16)
				if e != nil && e.Residual != nil {
					copy(y, e.Residual)
					in := *e
					in.Residual = y
					ConvForward(v, x, p, y, &in)
					near(t, fmt.Sprintf("%d %+v in place", i, v), y, want, float64(v.C*v.R*v.S)/16)
				}
			}
		}
	})
}

func TestConvGradInput(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for i, v := range convShapes {
			dy, w := random(1, v.YLen()), random(2, v.WLen())
			sum := make([]float64, v.XLen())
			eachTap(v, func(ix, iw, iy int) { sum[ix] += float64(dy[iy]) * float64(w[iw]) })
			p := PackConvGrad(v, w)
			for _, e := range []*Epilogue{nil, {Bias: random(3, v.C), Residual: random(4, v.XLen()), Act: ActLeakyRelu, Lo: 0.1}} {
				want := slices.Clone(sum)
				refEpilogue(want, v.C, e)
				dx := random(9, v.XLen())
				ConvGradInput(v, dy, p, dx, e)
				near(t, fmt.Sprintf("%d %+v", i, v), dx, want, float64(v.K*v.R*v.S)/16)
				if e != nil {
					copy(dx, e.Residual)
					in := *e
					in.Residual = dx
					ConvGradInput(v, dy, p, dx, &in)
					near(t, fmt.Sprintf("%d %+v in place", i, v), dx, want, float64(v.K*v.R*v.S)/16)
				}
			}
		}
	})
}

func TestConvGradWeight(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for i, v := range convShapes {
			x, dy := random(1, v.XLen()), random(2, v.YLen())
			for _, acc := range []bool{false, true} {
				dw, db := random(3, v.WLen()), random(4, v.K)
				want, wantB := make([]float64, v.WLen()), make([]float64, v.K)
				if acc {
					want, wantB = widen(dw), widen(db)
				}
				eachTap(v, func(ix, iw, iy int) { want[iw] += float64(dy[iy]) * float64(x[ix]) })
				for j, g := range dy {
					wantB[j%v.K] += float64(g)
				}
				ConvGradWeight(v, x, dy, acc, dw)
				near(t, fmt.Sprintf("%d %+v", i, v), dw, want, float64(v.N*v.OutH()*v.OutW())/16)
				ConvGradBias(v, dy, acc, db)
				near(t, fmt.Sprintf("bias %d %+v", i, v), db, wantB, float64(v.N*v.OutH()*v.OutW())/16)
			}
		}
	})
}

func TestConvCheck(t *testing.T) {
	for _, v := range []Conv2D{
		{},
		{N: 1, H: 2, W: 2, C: 1, K: 1, R: 3, S: 3},
		{N: 1, H: 2, W: 2, C: 3, K: 4, R: 1, S: 1, Groups: 2},
		{N: 1, H: 2, W: 2, C: 3, K: 4, R: 1, S: 1, PadT: -1},
	} {
		if v.Check() == nil {
			t.Errorf("no error for %+v", v)
		}
	}
}

func TestConvForwardScaled(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, v := range []Conv2D{{N: 3, H: 5, W: 7, C: 19, K: 35, R: 1, S: 1}, {N: 1, H: 30, W: 20, C: 16, K: 8, R: 1, S: 1}} {
			x, w, scale := random(1, v.XLen()), random(2, v.WLen()), random(3, v.N*v.C)
			e := &Epilogue{Bias: random(4, v.K), Residual: random(5, v.YLen()), Act: ActRelu}
			want := make([]float64, v.YLen())
			eachTap(v, func(ix, iw, iy int) {
				n, c := ix/(v.H*v.W*v.C), ix%v.C
				want[iy] += float64(x[ix]) * float64(scale[n*v.C+c]) * float64(w[iw])
			})
			refEpilogue(want, v.K, e)
			y := random(9, v.YLen())
			ConvForwardScaled(v, x, scale, PackConv(v, w), y, e)
			near(t, fmt.Sprintf("%+v", v), y, want, float64(v.C)/16)
		}
	})
}

// Shapes at random: every pass against its sum, at every level.
func TestConvRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 60 {
		v := Conv2D{
			N: 1 + r.IntN(3), H: 1 + r.IntN(20), W: 1 + r.IntN(34), R: 1 + r.IntN(5), S: 1 + r.IntN(5),
			StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3), DilH: 1 + r.IntN(2), DilW: 1 + r.IntN(2),
			PadT: r.IntN(4), PadL: r.IntN(4), PadB: r.IntN(4), PadR: r.IntN(4),
		}
		switch r.IntN(3) {
		case 0:
			v.C, v.K, v.Groups = 1+r.IntN(40), 1+r.IntN(40), 1
		case 1:
			v.C = 2 + r.IntN(40)
			v.K, v.Groups = v.C, v.C
			v.DilW, v.S = 1, []int{3, 5}[r.IntN(2)]
		case 2:
			v.Groups = 2 + r.IntN(3)
			v.C, v.K = v.Groups*(1+r.IntN(8)), v.Groups*(1+r.IntN(20))
		}
		if v.Check() != nil {
			continue
		}
		x, w, dy := random(1, v.XLen()), random(2, v.WLen()), random(3, v.YLen())
		wantY, wantX, wantW := make([]float64, v.YLen()), make([]float64, v.XLen()), make([]float64, v.WLen())
		eachTap(v, func(ix, iw, iy int) {
			wantY[iy] += float64(x[ix]) * float64(w[iw])
			wantX[ix] += float64(dy[iy]) * float64(w[iw])
			wantW[iw] += float64(dy[iy]) * float64(x[ix])
		})
		eachLevel(t, func(t *testing.T) {
			y, dx, dw := random(4, v.YLen()), random(5, v.XLen()), random(6, v.WLen())
			ConvForward(v, x, PackConv(v, w), y, nil)
			near(t, fmt.Sprintf("forward %+v", v), y, wantY, float64(v.C*v.R*v.S)/8)
			ConvGradInput(v, dy, PackConvGrad(v, w), dx, nil)
			near(t, fmt.Sprintf("input %+v", v), dx, wantX, float64(v.K*v.R*v.S)/8)
			ConvGradWeight(v, x, dy, false, dw)
			near(t, fmt.Sprintf("weight %+v", v), dw, wantW, float64(v.N*v.OutH()*v.OutW())/8)
		})
	}
}
