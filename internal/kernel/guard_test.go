package kernel

import (
	"fmt"
	"math"
	"testing"
)

// guarded is a buffer with NaN on both sides: what a kernel reads there spoils
// its result, what it writes there is found by intact.
type guarded struct {
	all  []float32
	body []float32
}

const guardBand = 96

func newGuarded(values []float32) *guarded {
	g := &guarded{all: make([]float32, len(values)+2*guardBand)}
	for i := range g.all {
		g.all[i] = float32(math.NaN())
	}
	g.body = g.all[guardBand : guardBand+len(values) : guardBand+len(values)]
	copy(g.body, values)
	return g
}

func (g *guarded) intact(t *testing.T, what string) {
	t.Helper()
	end := guardBand + len(g.body)
	for i, v := range g.all {
		if (i < guardBand || i >= end) && v == v {
			t.Fatalf("%s: wrote at %d of %d", what, i-guardBand, len(g.body))
		}
	}
}

// special puts NaN, infinities, denormals and a signed zero into s.
func special(s []float32) {
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e-40, math.Copysign(0, -1)} {
		if at := 3 + 7*i; at < len(s) {
			s[at] = float32(v)
		}
	}
}

func TestTileKernels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for m := 1; m <= cpu.mr; m++ {
			for n := 1; n <= cpu.nr; n++ {
				for v := range 8 {
					testTile(t, m, n, v)
				}
			}
		}
	})
}

// testTile checks one tile; the bits of v say what takes part.
func testTile(t *testing.T, m, n, v int) {
	const runs, runLen = 2, 3
	pixel, bks, ldc := 5, n+v%3, n+2
	x := tile{runLen: runLen, ars: pixel, acs: 1, bks: bks, acc: v&1 != 0, clip: v&4 != 0, lo: -1, hi: 1.5}
	if v == 3 {
		x.ars, x.acs = 1, m // transposed
	}
	last := (m-1)*x.ars + (runLen-1)*x.acs
	x.offs = []int{2, 0}
	a := newGuarded(random(1, last+3))
	b := newGuarded(random(2, (runs*runLen-1)*bks+n))
	c := newGuarded(random(3, (m-1)*ldc+n))
	bias := newGuarded(random(4, n))
	res := newGuarded(random(5, (m-1)*ldc+n))
	if v >= 6 {
		special(a.body)
	}
	for i := range m {
		x.crow[i] = (m - 1 - i) * ldc
	}
	x.a, x.b, x.c = a.body, b.body, c.body
	if v&1 != 0 {
		x.soon = a.body
	}
	if v&2 != 0 {
		x.bias, x.res = bias.body, res.body
	}
	want := widen(c.body)
	for i := range m {
		for j := range n {
			at := x.crow[i] + j
			var s float64
			if x.acc {
				s = want[at]
			}
			if v&2 != 0 {
				s += float64(x.bias[j]) + float64(x.res[at])
			}
			for r, off := range x.offs {
				for p := range runLen {
					s += float64(x.a[off+i*x.ars+p*x.acs]) * float64(x.b[(r*runLen+p)*bks+j])
				}
			}
			if x.clip && s < float64(x.lo) {
				s = float64(x.lo)
			}
			if x.clip && s > float64(x.hi) {
				s = float64(x.hi)
			}
			want[at] = s
		}
	}
	cpu.tile(&x, m, n)
	what := fmt.Sprintf("tile %d by %d, variant %d", m, n, v)
	c.intact(t, what)
	near(t, what, c.body, want, 1)
}

func TestDepthwiseKernels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for m := 1; m <= maxRows; m++ {
			for _, n := range []int{1, 7, 15, 16, 17, 31, 32, 40} {
				for v := range 8 {
					testDepthwise(t, m, n, v)
				}
				testDepthwiseGrad(t, m, n)
			}
		}
	})
}

// testTaps are three taps; if edge, the second and third mask some pixels.
func testTaps(n, m int, edge bool) []dwTap {
	all := [6]uint16{0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff}
	taps := []dwTap{{x: 4, w: 0, edge: all, fresh: true}, {x: 0, w: 2 * n, edge: all}, {x: 1, w: n, edge: all}}
	if edge && cpu.edges {
		taps[1].fresh = true
		for e := range all {
			if (e+m)%2 == 0 {
				taps[1].edge[e] = 0
			}
		}
		taps[2].edge = taps[1].edge
	}
	return taps
}

func testDepthwise(t *testing.T, m, n, v int) {
	xs, ys := n+1+v%2*3, n+2
	x := dwTile{xs: xs, ys: ys, taps: testTaps(n, m, v&1 != 0), clip: v&4 != 0, lo: -0.5, hi: 0.75}
	if v == 0 {
		x.taps = nil
	}
	in := newGuarded(random(1, (m-1)*xs+n+4))
	w := newGuarded(random(2, 3*n))
	y := newGuarded(random(3, (m-1)*ys+n))
	bias, res := newGuarded(random(4, n)), newGuarded(random(5, (m-1)*ys+n))
	if v >= 6 {
		special(in.body)
	}
	x.x, x.w, x.y = in.body, w.body, y.body
	if v&1 != 0 {
		x.bias = bias.body
	}
	if v&2 != 0 {
		x.res = res.body
	}
	want := widen(y.body)
	for p := range m {
		for c := range n {
			var s float64
			if v&1 != 0 {
				s = float64(bias.body[c])
			}
			for _, tap := range x.taps {
				if tap.sees(p, m) {
					s += float64(in.body[tap.x+p*xs+c]) * float64(w.body[tap.w+c])
				}
			}
			if v&2 != 0 {
				s += float64(res.body[p*ys+c])
			}
			if x.clip && s < float64(x.lo) {
				s = float64(x.lo)
			}
			if x.clip && s > float64(x.hi) {
				s = float64(x.hi)
			}
			want[p*ys+c] = s
		}
	}
	cpu.depthwise(&x, m, n)
	what := fmt.Sprintf("depthwise %d by %d, variant %d", m, n, v)
	y.intact(t, what)
	near(t, what, y.body, want, 1)
}

func testDepthwiseGrad(t *testing.T, m, n int) {
	x := dwGradTile{xs: 2*n + 1, ys: n + 2, taps: testTaps(n, m, true)}
	in := newGuarded(random(1, (m-1)*x.xs+n+4))
	w := newGuarded(random(2, 3*n))
	dy := newGuarded(random(3, (m-1)*x.ys+n))
	x.x, x.w, x.dy = in.body, w.body, dy.body
	want := widen(w.body)
	for _, tap := range x.taps {
		for p := range m {
			if !tap.sees(p, m) {
				continue
			}
			for c := range n {
				want[tap.w+c] += float64(in.body[tap.x+p*x.xs+c]) * float64(dy.body[p*x.ys+c])
			}
		}
	}
	cpu.depthwiseGrad(&x, m, n)
	what := fmt.Sprintf("depthwise gradient %d by %d", m, n)
	w.intact(t, what)
	near(t, what, w.body, want, 2)
}

func TestSlidingKernels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for form, k := range cpu.sliding {
			for m := 1; m <= maxRows; m++ {
				for _, n := range []int{5, 16, 39} {
					testSliding(t, form[0], form[1], k, m, n)
				}
			}
		}
	})
}

func testSliding(t *testing.T, cols, stride int, k slidingKernels, m, n int) {
	count := (m-1)*stride + cols
	xs, ys, ws := n+1, n+2, n+3
	// The first input is masked, and so lies before the buffer.
	taps := []dwTap{{x: 7 - xs, w: 1}, {x: -xs, w: cols * ws}}
	for i := range taps {
		for e := range taps[i].edge {
			taps[i].edge[e] = 0xffff
		}
		taps[i].edge[0] = 0
		if e := edgeOf(count-2, count); m%2 == 0 && count > 3 {
			taps[i].edge[e] = 0
		}
	}
	in := newGuarded(random(1, 7+(count-2)*xs+n))
	w := newGuarded(random(2, (2*cols-1)*ws+n))
	y := newGuarded(random(3, (m-1)*ys+n))
	bias := newGuarded(random(4, n))
	wantY, wantW := widen(y.body), widen(w.body)
	for p := range m {
		for c := range n {
			s := float64(bias.body[c])
			for _, tap := range taps {
				for q := range cols {
					i := p*stride + q
					if !tap.sees(i, count) {
						continue
					}
					x := float64(in.body[tap.x+i*xs+c])
					s += x * float64(w.body[tap.w+q*ws+c])
					wantW[tap.w+q*ws+c] += x * float64(y.body[p*ys+c])
				}
			}
			wantY[p*ys+c] = min(max(s, -0.5), 1)
		}
	}
	what := fmt.Sprintf("sliding %d, stride %d, %d by %d", cols, stride, m, n)
	sum := newGuarded(w.body)
	k.grad(&dwGradTile{x: in.body, w: sum.body, dy: y.body, taps: taps, xs: xs, ys: ys, ws: ws}, m, n)
	sum.intact(t, what)
	near(t, what+" gradient", sum.body, wantW, 4)
	k.forward(&dwTile{x: in.body, w: w.body, y: y.body, bias: bias.body, taps: taps, xs: xs, ys: ys, ws: ws, clip: true, lo: -0.5, hi: 1}, m, n)
	y.intact(t, what)
	near(t, what, y.body, wantY, 4)
}

func TestTransposeKernels(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for rows := 0; rows <= 16; rows++ {
			for cols := 1; cols <= 16; cols++ {
				for _, width := range []int{max(rows, 1), 16} {
					for _, acc := range []bool{false, true} {
						ld := cols + rows%3
						src := newGuarded(random(1, max(rows-1, 0)*ld+cols))
						dst := newGuarded(random(2, (cols-1)*(width+1)+width))
						var off [16]int
						for i := range cols {
							off[i] = (cols - 1 - i) * (width + 1)
						}
						want := widen(dst.body)
						for i := range cols {
							for j := range width {
								w := &want[off[i]+j]
								if !acc {
									*w = 0
								}
								if j < rows {
									*w += float64(src.body[j*ld+i])
								}
							}
						}
						cpu.transpose(dst.body, &off, src.body, ld, rows, cols, width, acc)
						what := fmt.Sprintf("transpose %d by %d to width %d, acc %v", rows, cols, width, acc)
						dst.intact(t, what)
						near(t, what, dst.body, want, 1)
					}
				}
			}
		}
	})
}
