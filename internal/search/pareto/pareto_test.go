package pareto

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func random(r *rand.Rand, n, objectives, steps int) [][]float64 {
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, objectives)
		for k := range rows[i] {
			rows[i][k] = float64(r.IntN(steps)) / float64(steps)
		}
	}
	return rows
}

// TestHypervolume counts the cells of a grid that some row dominates: exact, because the rows lie
// on its lines.
func TestHypervolume(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for objectives := 1; objectives <= 5; objectives++ {
		for range 40 {
			const steps = 7
			rows := random(r, 1+r.IntN(10), objectives, steps+2) // some lie beyond the reference
			for _, row := range rows {
				for k := range row {
					row[k] = math.Round(row[k] * (steps + 2))
				}
			}
			reference := slices.Repeat([]float64{steps}, objectives)
			cells := 0
			cell := make([]float64, objectives)
			for n := range int(math.Pow(steps, float64(objectives))) {
				for k := range cell {
					cell[k] = float64(n%steps) + 0.5
					n /= steps
				}
				if slices.ContainsFunc(rows, func(row []float64) bool { return Dominates(row, cell) }) {
					cells++
				}
			}
			if got := Hypervolume(rows, reference); math.Abs(got-float64(cells)) > 1e-9 {
				t.Fatalf("%d objectives: volume of %v is %g, want %d", objectives, rows, got, cells)
			}
		}
	}
	if got := Hypervolume(nil, []float64{1, 1}); got != 0 {
		t.Errorf("volume of nothing is %g", got)
	}
}

// TestHypervolumeSphere: points of a sphere's octant, in general position, against the share of
// random points that they dominate.
func TestHypervolumeSphere(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([][]float64, 20)
	for i := range rows {
		x, y, z := math.Abs(r.NormFloat64()), math.Abs(r.NormFloat64()), math.Abs(r.NormFloat64())
		n := math.Sqrt(x*x + y*y + z*z)
		rows[i] = []float64{1 - x/n, 1 - y/n, 1 - z/n}
	}
	const draws = 400000
	hits := 0
	for range draws {
		p := []float64{r.Float64(), r.Float64(), r.Float64()}
		if slices.ContainsFunc(rows, func(row []float64) bool { return Dominates(row, p) }) {
			hits++
		}
	}
	got, want := Hypervolume(rows, []float64{1, 1, 1}), float64(hits)/draws
	if math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/draws) {
		t.Errorf("volume is %g, drawn %g", got, want)
	}
}

func TestFronts(t *testing.T) {
	for _, tt := range []struct {
		rows   [][]float64
		fronts [][]int
		order  []int
	}{
		{nil, nil, nil},
		{[][]float64{{3}, {1}, {2}, {1}}, [][]int{{1, 3}, {2}, {0}}, []int{1, 3, 2, 0}},
		{[][]float64{{2, 2}, {1, 3}, {3, 1}, {3, 3}, {2, 2}}, [][]int{{0, 1, 2, 4}, {3}}, []int{1, 2, 0, 4, 3}},
		{[][]float64{{0, 10}, {1, 8.9}, {2, 8}, {6, 4}, {10, 0}}, [][]int{{0, 1, 2, 3, 4}}, []int{0, 4, 3, 2, 1}},
	} {
		if got := Fronts(tt.rows, len(tt.rows)); !reflect.DeepEqual(got, tt.fronts) {
			t.Errorf("fronts of %v are %v, want %v", tt.rows, got, tt.fronts)
		}
		if got := Order(tt.rows, len(tt.rows)); !slices.Equal(got, tt.order) {
			t.Errorf("order of %v is %v, want %v", tt.rows, got, tt.order)
		}
	}
}

// TestFrontsHold: a row is dominated by one of the front before it, and by none of its own.
func TestFrontsHold(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		rows := random(r, 40, 1+r.IntN(4), 8)
		fronts := Fronts(rows, len(rows))
		n := 0
		for f, front := range fronts {
			n += len(front)
			for _, i := range front {
				by := func(j int) bool { return Dominates(rows[j], rows[i]) }
				if slices.ContainsFunc(front, by) || f > 0 && !slices.ContainsFunc(fronts[f-1], by) {
					t.Fatalf("%v does not belong to front %d of %v", rows[i], f, rows)
				}
			}
		}
		if n != len(rows) {
			t.Fatalf("fronts hold %d of %d rows", n, len(rows))
		}
	}
}

func TestCrowding(t *testing.T) {
	got := Crowding([][]float64{{0, 10}, {1, 8}, {4, 4}, {10, 0}})
	want := []float64{math.Inf(1), 0.4 + 0.6, 0.9 + 0.8, math.Inf(1)}
	for i := range want {
		if got[i] != want[i] && math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("room is %v, want %v", got, want)
		}
	}
}

// TestSpread compares the greedy choice with the best of all choices.
func TestSpread(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 30 {
		rows := random(r, 8, 2+r.IntN(2), 50)
		reference := Reference(rows)
		const n = 3
		chosen := Spread(rows, reference, n)
		best := 0.0
		for mask := range 1 << len(rows) {
			var some [][]float64
			for i, row := range rows {
				if mask>>i&1 == 1 {
					some = append(some, row)
				}
			}
			if len(some) == n {
				best = max(best, Hypervolume(some, reference))
			}
		}
		if got := Hypervolume(pick(rows, chosen), reference); len(chosen) != n || got < (1-1/math.E)*best {
			t.Errorf("picked %v with volume %g, the best has %g", chosen, got, best)
		}
	}
}
