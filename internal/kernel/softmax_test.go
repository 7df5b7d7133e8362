package kernel

import (
	"fmt"
	"math"
	"testing"
)

func refSoftmax(x []float32) (p []float64, lse float64) {
	m := math.Inf(-1)
	for _, v := range x {
		m = math.Max(m, float64(v))
	}
	p = make([]float64, len(x))
	s := 0.0
	for i, v := range x {
		p[i] = math.Exp(float64(v) - m)
		s += p[i]
	}
	for i := range p {
		p[i] /= s
	}
	return p, m + math.Log(s)
}

func TestSoftmax(t *testing.T) {
	r := testRand(1)
	eachVec(t, func(t *testing.T) {
		for _, s := range [][2]int{{1, 1}, {3, 5}, {2, 16}, {9, 197}, {40, 1000}} {
			rows, c := s[0], s[1]
			x, dy := randSlice(r, rows*c, 20), randSlice(r, rows*c, 1)
			x[0] = -inf32
			if c == 1 {
				x[0] = 300
			}
			var wy, wl, wdx, wdl []float64
			for i := range rows {
				p, lse := refSoftmax(x[i*c : (i+1)*c])
				g := widen(dy[i*c : (i+1)*c])
				dot, sum := 0.0, 0.0
				for j := range p {
					dot += p[j] * g[j]
					sum += g[j]
				}
				for j := range p {
					wy = append(wy, p[j])
					wl = append(wl, float64(x[i*c+j])-lse)
					wdx = append(wdx, (g[j]-dot)*p[j])
					wdl = append(wdl, g[j]-p[j]*sum)
				}
			}
			y, dx := make([]float32, len(x)), make([]float32, len(x))
			Softmax(y, x, rows, c)
			close64(t, fmt.Sprint("softmax ", s), y, wy, 1e-6)
			SoftmaxGrad(dx, dy, y, rows, c)
			close64(t, fmt.Sprint("softmax grad ", s), dx, wdx, 1e-5)
			LogSoftmax(y, x, rows, c)
			if c > 1 && y[0] != -inf32 {
				t.Errorf("log of an impossible class is %v", y[0])
			}
			y[0], wl[0] = max(y[0], -1e30), max(wl[0], -1e30)
			if c > 1 {
				y[0], wl[0] = -1e30, -1e30
			}
			close64(t, fmt.Sprint("log-softmax ", s), y, wl, 1e-5)
			LogSoftmaxGrad(dx, dy, y, rows, c)
			close64(t, fmt.Sprint("log-softmax grad ", s), dx, wdl, 2e-4)
		}
	})
}

func TestCrossEntropy(t *testing.T) {
	r := testRand(2)
	const rows, c = 19, 10
	x := randSlice(r, rows*c, 3)
	labels := make([]int64, rows)
	for i := range labels {
		labels[i] = int64(r.IntN(c))
	}
	labels[4] = -100
	weights := []float32{1, 2, 0.5, 1, 0, 3, 1, 1, 0.25, 1}
	for _, e := range []CrossEntropy{
		{Ignore: -100, HasIgnore: true},
		{Smoothing: 0.1, Ignore: -100, HasIgnore: true},
		{Weights: weights, Ignore: -100, HasIgnore: true},
		{Smoothing: 0.3, Weights: weights, Ignore: -100, HasIgnore: true},
	} {
		want, wdx := make([]float64, rows), make([]float64, rows*c)
		total := 0.0
		for i, l := range labels {
			if l == -100 {
				continue
			}
			p, lse := refSoftmax(x[i*c : (i+1)*c])
			total += float64(e.weight(int(l)))
			for j := range c {
				w := float64(e.Smoothing) / c * float64(e.weight(j))
				if j == int(l) {
					w += (1 - float64(e.Smoothing)) * float64(e.weight(j))
				}
				want[i] += w * (lse - float64(x[i*c+j]))
				for k := range c {
					wdx[i*c+k] += 0.5 * w * p[k]
				}
				wdx[i*c+j] -= 0.5 * w
			}
		}
		what := fmt.Sprintf("smoothing %v weights %v", e.Smoothing, e.Weights != nil)
		loss, dx := make([]float32, rows), make([]float32, rows*c)
		e.Loss(loss, x, labels, c)
		close64(t, what, loss, want, 1e-5)
		e.Grad(dx, x, labels, c, 0.5)
		close64(t, what+" gradient", dx, wdx, 1e-6)
		if got := e.Weight(labels); math.Abs(float64(got)-total) > 1e-5 {
			t.Errorf("%s: weight %v, want %v", what, got, total)
		}
	}
}

func TestSoftmaxOfPairsIsThatOfRows(t *testing.T) {
	eachVec(t, func(t *testing.T) {
		x := randSlice(testRand(3), 2*1001, 20)
		x[0], x[3], x[4], x[5] = -inf32, inf32, -inf32, -inf32
		y, want := make([]float32, len(x)), make([]float32, len(x))
		softmaxPairs(y, x)
		for i := 0; i < len(x); i += 2 {
			softmaxRow(want[i:i+2], x[i:i+2])
		}
		for i := range y {
			if math.Float32bits(y[i]) != math.Float32bits(want[i]) && !(y[i] != y[i] && want[i] != want[i]) {
				t.Fatalf("%d: softmax of %v is %v, want %v", i, x[i&^1:i&^1+2], y[i], want[i])
			}
		}
	})
}
