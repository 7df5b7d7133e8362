package kernel

import (
	"fmt"
	"math"
	"testing"
)

func TestPool2D(t *testing.T) {
	tests := []Pool2D{
		{N: 2, H: 6, W: 5, C: 17, OutH: 3, OutW: 2, KH: 2, KW: 2, StrideH: 2, StrideW: 2},
		{N: 1, H: 7, W: 7, C: 64, OutH: 4, OutW: 4, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, CountPad: true},
		{N: 1, H: 7, W: 7, C: 100, OutH: 4, OutW: 4, KH: 3, KW: 3, StrideH: 2, StrideW: 2, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
		{N: 3, H: 1, W: 9, C: 5, OutH: 1, OutW: 9, KH: 1, KW: 3, StrideH: 1, StrideW: 1, PadLeft: 1, PadRight: 1},
		{N: 1, H: 6, W: 6, C: 3, OutH: 3, OutW: 3, KH: 3, KW: 3, StrideH: 2, StrideW: 2, CountPad: true}, // ceil mode
		{N: 1, H: 9, W: 8, C: 4, OutH: 5, OutW: 4, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilationH: 2, DilationW: 2},
		{N: 1, H: 5, W: 5, C: 4, OutH: 5, OutW: 5, KH: 3, KW: 3, StrideH: 1, StrideW: 1, PadTop: 2, PadLeft: 2, PadBottom: 2, PadRight: 2, DilationH: 2, DilationW: 2, CountPad: true},
	}
	r := testRand(1)
	eachVec(t, func(t *testing.T) {
		for _, p := range tests {
			what := fmt.Sprintf("%+v", p)
			nx, ny := p.N*p.H*p.W*p.C, p.N*p.OutH*p.OutW*p.C
			x, dy := randSlice(r, nx, 1), randSlice(r, ny, 1)
			for i := range x {
				x[i] = float32(math.Round(float64(x[i] * 4))) // ties
			}
			wmax, wavg := make([]float64, ny), make([]float64, ny)
			wdmax, wdavg := make([]float64, nx), make([]float64, nx)
			dh, dw := max(1, p.DilationH), max(1, p.DilationW)
			for o := range ny {
				c, ow, oh, n := o%p.C, o/p.C%p.OutW, o/p.C/p.OutW%p.OutH, o/p.C/p.OutW/p.OutH
				best, at, sum, count := math.Inf(-1), -1, 0.0, 0
				var taps []int
				for kh := range p.KH {
					for kw := range p.KW {
						h, w := oh*p.StrideH-p.PadTop+kh*dh, ow*p.StrideW-p.PadLeft+kw*dw
						if p.CountPad && h < p.H+p.PadBottom && w < p.W+p.PadRight {
							count++
						}
						if h < 0 || w < 0 || h >= p.H || w >= p.W {
							continue
						}
						i := ((n*p.H+h)*p.W+w)*p.C + c
						taps = append(taps, i)
						sum += float64(x[i])
						if float64(x[i]) > best {
							best, at = float64(x[i]), i
						}
					}
				}
				if !p.CountPad {
					count = len(taps)
				}
				wmax[o], wavg[o] = best, sum/float64(count)
				wdmax[at] += float64(dy[o])
				for _, i := range taps {
					wdavg[i] += float64(dy[o]) / float64(count)
				}
			}
			y, dx := make([]float32, ny), randSlice(r, nx, 1)
			MaxPool(y, x, p)
			close64(t, "max "+what, y, wmax, 0)
			MaxPoolGrad(dx, dy, x, y, p)
			close64(t, "max grad "+what, dx, wdmax, 1e-6)
			AvgPool(y, x, p)
			close64(t, "avg "+what, y, wavg, 1e-6)
			AvgPoolGrad(dx, dy, p)
			close64(t, "avg grad "+what, dx, wdavg, 1e-6)
		}
	})
}

// TestPoolPadding: a window that lies in the padding has no elements.
func TestPoolPadding(t *testing.T) {
	p := Pool2D{N: 1, H: 1, W: 2, C: 3, OutH: 1, OutW: 4, KH: 1, KW: 2, StrideH: 1, StrideW: 2, PadLeft: 2}
	x, y := []float32{1, 2, 3, 4, 5, 6}, make([]float32, 12)
	inf := math.Inf(-1)
	MaxPool(y, x, p)
	close64(t, "max", y, []float64{inf, inf, inf, 4, 5, 6, inf, inf, inf, inf, inf, inf}, 0)
	AvgPool(y, x, p)
	close64(t, "average", y, []float64{0, 0, 0, 2.5, 3.5, 4.5, 0, 0, 0, 0, 0, 0}, 0)
	dx := make([]float32, 6)
	AvgPoolGrad(dx, make([]float32, 12), p)
	close64(t, "gradient", dx, make([]float64, 6), 0)
}

func TestGlobalPool(t *testing.T) {
	r := testRand(2)
	const n, hw, c = 3, 49, 37
	x, dy := randSlice(r, n*hw*c, 1), randSlice(r, n*c, 1)
	wmax, wavg := make([]float64, n*c), make([]float64, n*c)
	wdmax, wdavg := make([]float64, n*hw*c), make([]float64, n*hw*c)
	for o := range wmax {
		best, at := math.Inf(-1), 0
		for p := range hw {
			i := (o/c*hw+p)*c + o%c
			wavg[o] += float64(x[i]) / hw
			wdavg[i] = float64(dy[o]) / hw
			if float64(x[i]) > best {
				best, at = float64(x[i]), i
			}
		}
		wmax[o] = best
		wdmax[at] = float64(dy[o])
	}
	eachVec(t, func(t *testing.T) {
		y, dx := make([]float32, n*c), make([]float32, n*hw*c)
		GlobalMaxPool(y, x, n, hw, c)
		close64(t, "max", y, wmax, 0)
		GlobalMaxPoolGrad(dx, dy, x, y, n, hw, c)
		close64(t, "max grad", dx, wdmax, 0)
		GlobalAvgPool(y, x, n, hw, c)
		close64(t, "avg", y, wavg, 1e-6)
		GlobalAvgPoolGrad(dx, dy, n, hw, c)
		close64(t, "avg grad", dx, wdavg, 1e-6)
	})
}
