package kernel

import (
	"fmt"
	"slices"
	"testing"
)

func TestConvWinograd(t *testing.T) {
	pads := func(v Conv2D, p int) Conv2D {
		v.R, v.S, v.PadT, v.PadL, v.PadB, v.PadR = 3, 3, p, p, p, p
		return v
	}
	for _, v := range []Conv2D{
		pads(Conv2D{N: 14, H: 7, W: 7, C: 16, K: 32}, 1),
		pads(Conv2D{N: 2, H: 18, W: 21, C: 32, K: 16}, 1),
		pads(Conv2D{N: 5, H: 16, W: 13, C: 16, K: 32}, 0),
		pads(Conv2D{N: 4, H: 13, W: 11, C: 16, K: 16}, 2),
		pads(Conv2D{N: 14, H: 8, W: 8, C: 144, K: 16}, 1),
		pads(Conv2D{N: 14, H: 8, W: 8, C: 288, K: 16}, 1), // too wide to stay in the cache
	} {
		x, w := random(1, v.XLen()), random(2, v.WLen())
		sum := make([]float64, v.YLen())
		eachTap(v, func(ix, iw, iy int) { sum[iy] += float64(x[ix]) * float64(w[iw]) })
		eachLevel(t, func(t *testing.T) {
			p := PackConv(v, w)
			if !p.wino {
				t.Fatalf("%+v does not use the algorithm", v)
			}
			for _, e := range []*Epilogue{
				nil,
				{Bias: random(3, v.K), Residual: random(4, v.YLen()), Act: ActRelu},
				{Bias: random(3, v.K), Act: ActSilu},
			} {
				want := slices.Clone(sum)
				refEpilogue(want, v.K, e)
				y := random(9, v.YLen())
				ConvForward(v, x, p, y, e)
				near(t, fmt.Sprintf("%+v %v", v, e != nil), y, want, 9*float64(v.C)/8)
			}
			// Fewer examples than the weights were packed for.
			one := v
			one.N = 1
			y := make([]float32, one.YLen())
			ConvForward(one, x, p, y, nil)
			near(t, fmt.Sprintf("%+v", one), y, sum[:len(y)], 9*float64(v.C)/8)
		})
	}
}

func TestConvWinogradGradWeight(t *testing.T) {
	for _, s := range []struct{ n, h, w, c, k, pad int }{
		{14, 7, 7, 16, 48, 1}, {2, 18, 21, 32, 16, 1}, {4, 13, 11, 16, 16, 2}, {5, 16, 13, 16, 32, 0},
		{40, 24, 20, 16, 16, 1}, // in two stretches
		{14, 8, 8, 240, 256, 1}, // a few panels at a time
	} {
		v := Conv2D{N: s.n, H: s.h, W: s.w, C: s.c, K: s.k, R: 3, S: 3, PadT: s.pad, PadL: s.pad, PadB: s.pad, PadR: s.pad}
		if !v.norm().winograd() {
			t.Fatalf("%+v does not use the algorithm", v)
		}
		x, dy := random(1, v.XLen()), random(2, v.YLen())
		sum := make([]float64, v.WLen())
		eachTap(v, func(ix, iw, iy int) { sum[iw] += float64(x[ix]) * float64(dy[iy]) })
		eachLevel(t, func(t *testing.T) {
			limit := float64(v.N * v.OutH() * v.OutW())
			dw := random(3, v.WLen())
			ConvGradWeight(v, x, dy, false, dw)
			near(t, fmt.Sprintf("%+v", v), dw, sum, limit)
			twice := make([]float64, len(sum))
			for i := range sum {
				twice[i] = 2 * sum[i]
			}
			ConvGradWeight(v, x, dy, true, dw)
			near(t, fmt.Sprintf("%+v, added", v), dw, twice, 2*limit)
		})
	}
}

func TestWinogradKernels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, n := range []int{16, 48} {
			x := newGuarded(random(1, 5*(6*n+3)+5*n+n))
			v := newGuarded(random(2, 35*(n+5)+n))
			in := winoInput{x: x.body, row: 6*n + 3, pixel: n, v: v.body, comp: n + 5, n: n}
			want := slices.Clone(v.body)
			ref := in
			ref.v = want
			winoInputGo(&ref)
			cpu.winoInput(&in)
			v.intact(t, "input transform")
			near(t, "input transform", v.body, widen(want), 60)

			for _, k := range []struct {
				name          string
				size, results int
				ref, kernel   func(*winoInput)
			}{
				{"gradients of outputs", 4, 6, winoOutGradGo, cpu.winoOutGrad},
				{"weights", 3, 6, winoFilterGo, cpu.winoFilter},
				{"gradients of weights", 6, 3, winoGradGo, cpu.winoGrad},
			} {
				last := k.size - 1
				x := newGuarded(random(1, last*(k.size*n+1)+last*n+n))
				v := newGuarded(random(2, (k.results*k.results-1)*(n+5)+n))
				in := winoInput{x: x.body, row: k.size*n + 1, pixel: n, v: v.body, comp: n + 5, n: n}
				want := slices.Clone(v.body)
				ref := in
				ref.v = want
				k.ref(&ref)
				k.kernel(&in)
				v.intact(t, k.name)
				near(t, k.name, v.body, widen(want), 60)
			}

			for variant := range 4 {
				for _, size := range [][2]int{{4, 4}, {3, 1}, {1, 3}} {
					pixel := n + 2
					row := 4*pixel + 1
					last := (size[0]-1)*row + (size[1]-1)*pixel + n
					y, res, bias := newGuarded(random(4, last)), newGuarded(random(5, last)), newGuarded(random(6, n))
					out := winoOutput{m: v.body, comp: n + 5, y: y.body, row: row, pixel: pixel, n: n,
						height: size[0], width: size[1], clip: variant&1 != 0, lo: -9, hi: 12}
					if variant&2 != 0 {
						out.bias, out.res = bias.body, res.body
					}
					want := slices.Clone(y.body)
					ref := out
					ref.y = want
					winoOutputGo(&ref)
					cpu.winoOutput(&out)
					what := fmt.Sprintf("output transform %v, variant %d", size, variant)
					y.intact(t, what)
					near(t, what, y.body, widen(want), 2000)
				}
			}
		}
	})
}

// TestWinogradByComponent: both orders of work give the same bits, with patches and channels in one
// stretch and in several, and with a residual that is the result itself.
func TestWinogradByComponent(t *testing.T) {
	v := Conv2D{N: 3, H: 11, W: 8, C: 32, K: 80, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1, ChosenFor: 32}.norm()
	x, w, bias, res := random(1, v.N*v.H*v.W*v.C), random(2, v.WLen()), random(3, v.K), random(4, v.YLen())
	eachLevel(t, func(t *testing.T) {
		p := PackConv(v, w)
		if !p.wino {
			t.Fatal("not by Winograd's algorithm")
		}
		run := func(f func(r *winoRun)) []float32 {
			y := newGuarded(slices.Clone(res))
			f(newWinoRun(v, x, y.body, &Epilogue{Bias: bias, Residual: y.body, Act: ActRelu}))
			y.intact(t, "result")
			return slices.Clone(y.body)
		}
		want := run(func(r *winoRun) { r.byPatch(p) })
		for _, c := range []struct{ held, most int }{{1 << 20, 1 << 20}, {1 << 14, 1 << 20}, {1 << 20, 1 << 14}, {1, 1}} {
			if got := run(func(r *winoRun) { r.byComponent(p, c.held, c.most) }); !slices.Equal(got, want) {
				t.Errorf("%d floats of inputs and %d of sums give other bits", c.held, c.most)
			}
		}
	})
}

// TestLentWeightsComputeTheSame: weights that are packed a stretch at a time while they are lent give
// the bits of packed ones, forward and for the input's gradient, with few and with many units of
// patches.
func TestLentWeightsComputeTheSame(t *testing.T) {
	for _, v := range []Conv2D{
		{N: 1, H: 7, W: 7, C: 448, K: 464, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1, ChosenFor: 32},
		{N: 9, H: 14, W: 13, C: 464, K: 448, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1, ChosenFor: 32},
	} {
		v = v.norm()
		x, w := random(1, v.N*v.H*v.W*v.C), random(2, v.WLen())
		dy := random(3, v.N*v.OutH()*v.OutW()*v.K)
		for _, c := range []struct {
			name   string
			empty  *PackedConv
			packed *PackedConv
			run    func(p *PackedConv, out []float32)
			size   int
		}{
			{"forward", PackConv(v, nil), PackConv(v, w), func(p *PackedConv, y []float32) { ConvForward(v, x, p, y, nil) }, len(dy)},
			{"gradient", PackConvGrad(v, nil), PackConvGrad(v, w), func(p *PackedConv, dx []float32) { ConvGradInput(v, dy, p, dx, nil) }, len(x)},
		} {
			if !c.empty.wino || !c.empty.winoStretches() {
				t.Fatalf("%v, %s: not packed in stretches", v, c.name)
			}
			want, got := make([]float32, c.size), make([]float32, c.size)
			c.run(c.packed, want)
			c.empty.Lend(w, func() { c.run(c.empty, got) })
			if !slices.Equal(want, got) {
				t.Errorf("%v, %s: lent weights give other values", v, c.name)
			}
		}
	}
}
