package ridge

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestHeldOutIsAFitToTheOthers(t *testing.T) {
	const n, width = 24, 5
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n*width)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	y := mat.NewDense(n, 2, nil)
	for i := range n {
		y.Set(i, 0, float64(x[i*width])+0.1*r.NormFloat64())
		y.Set(i, 1, r.NormFloat64())
	}
	g, err := Gram(x, width)
	if err != nil {
		t.Fatal(err)
	}
	var folds [][]int
	for k := range 4 {
		var fold []int
		for i := k; i < n; i += 4 {
			fold = append(fold, i)
		}
		folds = append(folds, fold)
	}
	const penalty = 2.5
	errs, err := heldOut(g, y, folds, penalty)
	if err != nil {
		t.Fatal(err)
	}
	got := Squares(errs)
	for _, fold := range folds {
		var rest []int
		held := map[int]bool{}
		for _, i := range fold {
			held[i] = true
		}
		for i := range n {
			if !held[i] {
				rest = append(rest, i)
			}
		}
		a, b := mat.NewDense(len(rest), len(rest), nil), mat.NewDense(len(rest), 2, nil)
		for r, i := range rest {
			for c, j := range rest {
				a.Set(r, c, g.At(i, j))
			}
			a.Set(r, r, g.At(i, i)+penalty)
			b.SetRow(r, y.RawRowView(i))
		}
		var w mat.Dense
		if err := w.Solve(a, b); err != nil {
			t.Fatal(err)
		}
		for _, i := range fold {
			want := 0.0
			for c := range 2 {
				fitted := 0.0
				for r, j := range rest {
					fitted += g.At(i, j) * w.At(r, c)
				}
				want += (y.At(i, c) - fitted) * (y.At(i, c) - fitted)
			}
			if math.Abs(got[i]-want) > 1e-9 {
				t.Errorf("example %d: %g, want %g", i, got[i], want)
			}
		}
	}
}

func TestGramOfFeaturesSideBySide(t *testing.T) {
	x := []float32{1, 5, 2, 3, 7, 1, 4, 5, 9, 9, 5, 0} // [4,3], the last column on its own scale
	whole, err := Gram(x, 3)
	if err != nil {
		t.Fatal(err)
	}
	sum := mat.NewSymDense(4, nil)
	for c := range 3 {
		one, err := Gram([]float32{x[c], x[3+c], x[6+c], x[9+c]}, 1)
		if err != nil {
			t.Fatal(err)
		}
		sum.AddSym(sum, one)
	}
	if !mat.EqualApprox(whole, sum, 1e-9) {
		t.Errorf("%v, the sum of its columns is %v", mat.Formatted(whole), mat.Formatted(sum))
	}
	if _, err := Gram([]float32{1, float32(math.NaN())}, 1); err == nil {
		t.Error("no error of a feature that is not a number")
	}
	if constant, err := Gram([]float32{3, 3, 3}, 1); err != nil || mat.Norm(constant, 1) != 0 {
		t.Errorf("a constant feature tells %v, %v", constant, err)
	}
}

func BenchmarkHeldOut(b *testing.B) {
	const n, width = 300, 1024
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n*width)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	y := mat.NewDense(n, 2, nil)
	folds := make([][]int, 20)
	for i := range n {
		y.Set(i, i%2, 1)
		folds[i%20] = append(folds[i%20], i)
	}
	for b.Loop() {
		g, err := Gram(x, width)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := HeldOut(g, y, folds); err != nil {
			b.Fatal(err)
		}
	}
}
