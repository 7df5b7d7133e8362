package choose

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// traced is a weight of two numbers over two batches: gradients (1,2) and (3,-2), then (1,1) and
// (0,3) while it moves from (3,4) to (2.5,4.25).
func traced() []*Traced {
	return []*Traced{{Batches: 2, Sum: []float32{4, 0}, Squares: []float64{10, 8}, Later: []float32{1, 4}, Before: []float32{3, 4}, After: []float32{2.5, 4.25}}}
}

func TestGradientCriteria(t *testing.T) {
	for _, c := range []struct {
		name string
		of   func(ts []*Traced) float64
		want float64
	}{
		{"RGN", RGN, 2.0 / 5},               // |(2,0)| / |(3,4)|
		{"SNR", SNR, (4.0/2 + 0.0/8) / 2},   // variances 2 and 8
		{"Fisher", Fisher, (5.0 + 4.0) / 2}, // mean squares 5 and 4
		// one pair: 1·3 − 2·2 = −1, twice, over 18
		{"BatchAgreement", BatchAgreement, (16.0 - 18) / 18},
		{"GradientChange", GradientChange, 0.030776406404}, // | 4 − √17 | / 4
		{"WeightChange", WeightChange, 0.75 / 7 / 2},
	} {
		if got := c.of(traced()); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", c.name, got, c.want)
		}
	}
	if got := Importance(traced()[0]); got != 1 { // −(2·(−0.5) + 0·0.25)
		t.Errorf("Importance is %v, want 1", got)
	}
	if got := traced()[0].Step(); got != 2 {
		t.Errorf("Step is %v, want 2", got)
	}
	zero := []*Traced{{Batches: 2, Sum: make([]float32, 2), Squares: make([]float64, 2), Later: make([]float32, 2), Before: make([]float32, 2), After: make([]float32, 2)}}
	for name, of := range map[string]func(ts []*Traced) float64{"RGN": RGN, "SNR": SNR, "Fisher": Fisher, "BatchAgreement": BatchAgreement, "GradientChange": GradientChange, "WeightChange": WeightChange} {
		if got := of(zero); got != 0 {
			t.Errorf("%s of a weight without gradient and value is %v", name, got)
		}
	}
}

// work is what a set costs, by its definition.
func work(items []ElasticItem, set []int) (importance, cost float64) {
	far := 0.0
	for _, i := range set {
		importance += items[i].Importance
		cost += items[i].Own
		far = max(far, items[i].Reach)
	}
	return importance, cost + far
}

func TestElastic(t *testing.T) {
	for _, c := range []struct {
		name   string
		items  []ElasticItem
		budget float64
		want   []int
	}{
		{"all", []ElasticItem{{1, 1, 0}, {1, 1, 1}}, 3, []int{0, 1}},
		{"the near one is cheaper", []ElasticItem{{1, 1, 0}, {1, 1, 1}}, 1, []int{0}},
		{"the far one is worth the way", []ElasticItem{{1, 1, 0}, {5, 1, 2}}, 3, []int{1}},
		{"what lies on the way", []ElasticItem{{1, 2, 0}, {3, 1, 1}, {4, 1, 2}}, 4, []int{1, 2}},
		{"no importance", []ElasticItem{{0, 1, 0}, {-1, 1, 0}}, 9, nil},
		{"no budget", []ElasticItem{{1, 1, 0}}, 0, nil},
		{"nothing within it", []ElasticItem{{1, 5, 0}}, 4, nil},
		{"in any order", []ElasticItem{{4, 1, 2}, {1, 2, 0}, {3, 1, 1}}, 4, []int{0, 2}},
	} {
		if got := Elastic(c.items, c.budget); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 { // against every set, where numbers are whole and no rounding is left
		items := make([]ElasticItem, 1+r.IntN(9))
		for i := range items {
			items[i] = ElasticItem{float64(r.IntN(20)), float64(r.IntN(8)), float64(r.IntN(20))}
		}
		budget := float64(1 + r.IntN(40))
		most := 0.0
		for set := range 1 << len(items) {
			var of []int
			for i := range items {
				if set>>i&1 == 1 {
					of = append(of, i)
				}
			}
			if v, cost := work(items, of); cost <= budget*0.99 {
				most = max(most, v)
			}
		}
		got := Elastic(items, budget)
		if v, cost := work(items, got); v < most || cost > budget {
			t.Fatalf("%v within %v: %v has importance %v at cost %v; %v can be had", items, budget, got, v, cost, most)
		}
	}
}
