package kernel

import (
	"fmt"
	"math"
	"testing"
)

func TestReduce(t *testing.T) {
	ref := map[ReduceOp]func(x []float64) float64{
		ReduceSum: func(x []float64) (s float64) {
			for _, v := range x {
				s += v
			}
			return
		},
		ReduceMean: func(x []float64) (s float64) {
			for _, v := range x {
				s += v / float64(len(x))
			}
			return
		},
		ReduceMax: func(x []float64) float64 {
			s := math.Inf(-1)
			for _, v := range x {
				s = math.Max(s, v)
			}
			return s
		},
		ReduceMin: func(x []float64) float64 {
			s := math.Inf(1)
			for _, v := range x {
				s = math.Min(s, v)
			}
			return s
		},
		ReduceProd: func(x []float64) float64 {
			s := 1.0
			for _, v := range x {
				s *= v
			}
			return s
		},
		ReduceL1: func(x []float64) (s float64) {
			for _, v := range x {
				s += math.Abs(v)
			}
			return
		},
		ReduceL2: func(x []float64) (s float64) {
			for _, v := range x {
				s += v * v
			}
			return math.Sqrt(s)
		},
		ReduceSumSquare: func(x []float64) (s float64) {
			for _, v := range x {
				s += v * v
			}
			return
		},
		ReduceLogSumExp: func(x []float64) (s float64) {
			for _, v := range x {
				s += math.Exp(v)
			}
			return math.Log(s)
		},
	}
	r := testRand(1)
	shapes := [][3]int{{1, 5, 1}, {3, 17, 1}, {2, 9, 7}, {1, 600, 33}, {4, 70, 300}, {1, 1, 5}, {5, 33, 16}, {1, 70000, 1}, {2, 3, 0}}
	eachVec(t, func(t *testing.T) {
		for op, f := range ref {
			for _, s := range shapes {
				outer, axis, inner := s[0], s[1], s[2]
				if op == ReduceProd && axis > 100 {
					continue
				}
				x := randSlice(r, outer*axis*inner, 1)
				want := make([]float64, outer*inner)
				for i := range want {
					col := make([]float64, axis)
					for a := range col {
						col[a] = float64(x[(i/inner*axis+a)*inner+i%inner])
					}
					want[i] = f(col)
				}
				y := make([]float32, len(want))
				for i := range y {
					y[i] = float32(math.NaN())
				}
				Reduce(op, y, x, outer, axis, inner)
				close64(t, fmt.Sprint(op, s), y, want, 3e-5)
			}
		}
		// NaN and infinities come through.
		x := make([]float32, 40)
		x[21] = float32(math.NaN())
		for _, op := range []ReduceOp{ReduceSum, ReduceMax, ReduceMin, ReduceL2} {
			for _, inner := range []int{1, 20} {
				y := make([]float32, inner)
				Reduce(op, y, x, 1, 40/inner, inner)
				if y[1%inner] == y[1%inner] {
					t.Errorf("op %d inner %d: NaN is lost", op, inner)
				}
			}
		}
		x[21] = inf32
		var y [1]float32
		Reduce(ReduceLogSumExp, y[:], x, 1, 40, 1)
		if y[0] != inf32 {
			t.Errorf("log-sum-exp with +Inf is %v", y[0])
		}
	})
}

func TestArgMax(t *testing.T) {
	nan := float32(math.NaN())
	x := []float32{1, 3, 3, nan, 2, nan, -1, 5, 5}
	for _, tt := range []struct {
		axis, inner int
		last        bool
		max, min    []int64
	}{
		{3, 1, false, []int64{1, 0, 1}, []int64{0, 0, 0}},
		{3, 1, true, []int64{2, 2, 2}, []int64{0, 2, 0}},
		{3, 3, false, []int64{1, 2, 1}, []int64{1, 1, 1}},
	} {
		n := len(x) / tt.axis
		y := make([]int64, n)
		ArgMax(y, x, n/tt.inner, tt.axis, tt.inner, tt.last)
		if fmt.Sprint(y) != fmt.Sprint(tt.max) {
			t.Errorf("%+v: ArgMax is %v", tt, y)
		}
		ArgMin(y, x, n/tt.inner, tt.axis, tt.inner, tt.last)
		if fmt.Sprint(y) != fmt.Sprint(tt.min) {
			t.Errorf("%+v: ArgMin is %v", tt, y)
		}
	}
}
