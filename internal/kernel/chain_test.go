package kernel

import (
	"fmt"
	"math"
	"testing"
)

// depthwiseOf is a depthwise link over n images.
func depthwiseOf(n, h, w, c, window, stride int, pads [4]int) Conv2D {
	return Conv2D{N: n, H: h, W: w, C: c, K: c, R: window, S: window, StrideH: stride, StrideW: stride, Groups: c,
		PadT: pads[0], PadL: pads[1], PadB: pads[2], PadR: pads[3]}
}

// then is the convolution of 1 by 1 from v's result to k channels.
func then(v Conv2D, k int) Conv2D {
	return Conv2D{N: v.N, H: v.OutH(), W: v.OutW(), C: v.K, K: k, R: 1, S: 1}
}

// expanded is a convolution of 1 by 1 before v.
func expanded(c int, v Conv2D) Conv2D {
	return Conv2D{N: v.N, H: v.H, W: v.W, C: c, K: v.C, R: 1, S: 1}
}

func chainCases() [][]Conv2D {
	var cases [][]Conv2D
	for i, v := range []Conv2D{
		depthwiseOf(3, 9, 11, 20, 3, 1, [4]int{1, 1, 1, 1}),
		depthwiseOf(1, 31, 17, 33, 3, 2, [4]int{1, 1, 1, 1}),
		depthwiseOf(1, 30, 30, 18, 3, 2, [4]int{0, 0, 1, 1}),
		depthwiseOf(2, 40, 7, 37, 5, 1, [4]int{2, 2, 2, 2}),
		depthwiseOf(1, 15, 29, 40, 5, 2, [4]int{1, 2, 2, 1}),
		depthwiseOf(1, 22, 5, 16, 7, 1, [4]int{3, 3, 3, 3}),
		depthwiseOf(1, 13, 16, 35, 2, 3, [4]int{0, 1, 1, 0}), // rows that nothing reads
		depthwiseOf(1, 4, 4, 17, 3, 1, [4]int{4, 0, 5, 2}),   // results that read nothing
		depthwiseOf(1, 60, 100, 48, 3, 1, [4]int{1, 1, 1, 1}),
		{N: 1, H: 40, W: 21, C: 19, K: 19, R: 3, S: 3, DilH: 3, DilW: 2, Groups: 19, PadT: 3, PadL: 2, PadB: 3, PadR: 2},
	} {
		e, p := expanded(5+i, v), then(v, 9+3*i)
		cases = append(cases, []Conv2D{e, v, p}, []Conv2D{e, v}, []Conv2D{v, p}, []Conv2D{v})
	}
	stem := Conv2D{N: 2, H: 33, W: 35, C: 3, K: 24, R: 3, S: 3, StrideH: 2, StrideW: 2, PadT: 1, PadL: 1, PadB: 1, PadR: 1}
	v := depthwiseOf(2, stem.OutH(), stem.OutW(), 24, 3, 1, [4]int{1, 1, 1, 1})
	wide := Conv2D{N: 1, H: 40, W: 40, C: 16, K: 16, R: 3, S: 3, PadT: 1, PadL: 1, PadB: 1, PadR: 1} // alone, it is one for Winograd
	return append(cases, []Conv2D{wide, then(wide, 9)}, []Conv2D{stem, v, then(v, 16)}, []Conv2D{{N: 1, H: 20, W: 9, C: 8, K: 12, R: 2, S: 3, Groups: 2}, then(Conv2D{N: 1, H: 19, W: 7, K: 12, R: 1, S: 1}, 6)})
}

// A chain has the bits of its links one by one, whatever the number of threads, reads and writes
// nothing outside, and passes on what is no number.
func TestConvChain(t *testing.T) {
	defer SetThreads(Threads())
	eachLevel(t, func(t *testing.T) {
		for i, shapes := range chainCases() {
			if !CanChain(shapes...) {
				t.Fatalf("%d: %+v is no chain", i, shapes)
			}
			x := random(1, shapes[0].XLen())
			if i%4 == 3 {
				special(x)
			}
			var links []ChainLink
			want := x
			for k, v := range shapes {
				l := ChainLink{v, PackLink(v, random(uint64(2+k), v.WLen())), &Epilogue{Bias: random(7, v.K), Act: ActClip, Lo: -0.5, Hi: 6}}
				switch {
				case (i+k)%3 == 1:
					l.Ep.Act = ActSilu
				case (i+k)%5 == 2:
					l.Ep = nil
				}
				if k == len(shapes)-1 && i%2 == 0 {
					l.Ep = &Epilogue{Residual: random(8, v.YLen())}
				}
				links = append(links, l)
				y := make([]float32, v.YLen())
				ConvForward(v, want, l.W, y, l.Ep)
				want = y
			}
			last := shapes[len(shapes)-1]
			wantMean := make([]float64, last.N*last.K)
			pixels := last.OutH() * last.OutW()
			for j, y := range want {
				wantMean[j/(pixels*last.K)*last.K+j%last.K] += float64(y) / float64(pixels)
			}
			for threads := 1; threads <= 3; threads++ {
				SetThreads(threads)
				in, out := newGuarded(x), newGuarded(make([]float32, len(want)))
				height := threads
				if threads == 3 {
					height = bandHeight(shapes)
				}
				mean := newGuarded(make([]float32, last.N*last.K))
				runChain(links, in.body, out.body, mean.body, height)
				what := fmt.Sprintf("%d: bands of %d rows, %d links, %+v", i, height, len(links), shapes)
				out.intact(t, what)
				mean.intact(t, what)
				near(t, what+": mean", mean.body, wantMean, 8)
				for j, y := range out.body {
					if math.Float32bits(y) != math.Float32bits(want[j]) && (y == y || want[j] == want[j]) {
						t.Fatalf("%s: [%d] = %v, want %v", what, j, y, want[j])
					}
				}
			}
		}
	})
}

func TestCanChain(t *testing.T) {
	v := depthwiseOf(1, 8, 8, 16, 3, 1, [4]int{1, 1, 1, 1})
	dense := Conv2D{N: 1, H: 8, W: 8, C: 16, K: 4, R: 3, S: 3}
	for _, c := range []struct {
		shapes []Conv2D
		want   bool
	}{
		{nil, false},
		{[]Conv2D{expanded(4, v), v, then(v, 3)}, true},
		{[]Conv2D{v, dense}, false},
		{[]Conv2D{dense, then(dense, 3)}, true},
		{[]Conv2D{expanded(4, v), then(dense, 3)}, false},
	} {
		if got := CanChain(c.shapes...); got != c.want {
			t.Errorf("CanChain(%+v) = %v", c.shapes, got)
		}
	}
	wide := depthwiseOf(16, 56, 56, 144, 3, 1, [4]int{1, 1, 1, 1})
	if !ChainPays(expanded(24, wide), wide, then(wide, 24)) {
		t.Error("a chain whose middle leaves the cache does not pay")
	}
	if ChainPays(expanded(4, v), v) {
		t.Error("a chain that stays in the cache pays")
	}
}
