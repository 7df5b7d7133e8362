package search

import (
	"math"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// TestImportance: on functions whose parameters matter by a known order, drawn at random and looked
// at by a search that prefers some values.
func TestImportance(t *testing.T) {
	s := parseSpace(t, "a: {float: [0, 1]}\nb: {float: [0, 1]}\nc: {int: [1, 200]}\nd: [x, y, z]\ne: [1, 2, 4, 8]\nf: {float: [0, 1], when: {d: x}}\ng: 1\n")
	get := func(p space.Point, name string) float64 {
		v, _ := p.Get(name)
		x, _ := v.Float()
		return x
	}
	is := func(p space.Point, name, text string) float64 {
		if v, ok := p.Get(name); ok && v.String() == text {
			return 1
		}
		return 0
	}
	noise := func(p space.Point) float64 { return float64(p.Digest()[0]) / 512 }
	for _, tt := range []struct {
		name  string
		f     func(space.Point) float64
		first string
		least float64  // share of the first
		none  []string // together they have at most a tenth
	}{
		{"one", func(p space.Point) float64 { return math.Abs(get(p, "a") - 0.7) }, "a", 0.85, []string{"b", "c", "d", "e", "g"}},
		{"weak beside strong", func(p space.Point) float64 { return 10*math.Abs(get(p, "b")-0.2) + math.Abs(get(p, "a")-0.7) }, "b", 0.8, []string{"c", "d", "e", "g"}},
		{"whole numbers", func(p space.Point) float64 { return math.Abs(get(p, "c") - 50) }, "c", 0.85, []string{"a", "b", "d", "e", "g"}},
		{"choice", func(p space.Point) float64 { return 1 - is(p, "d", "y") + noise(p) }, "d", 0.85, []string{"a", "b", "c", "e", "g"}},
		{"ordered", func(p space.Point) float64 { return math.Abs(get(p, "e")-4) + noise(p) }, "e", 0.85, []string{"a", "b", "c", "d", "g"}},
		{"conditional", func(p space.Point) float64 { return 1 - is(p, "d", "x") + is(p, "d", "x")*math.Abs(get(p, "f")-0.1) }, "f", 0.4, []string{"a", "b", "c", "e", "g"}},
	} {
		for _, algorithm := range []Algorithm{NewRandom(s, 1), NewTPE(s, 1)} {
			var seen []Result
			for n := range 200 {
				p, ok := algorithm.Propose(n, seen)
				if !ok {
					t.Fatal("no point is left")
				}
				seen = append(seen, Result{Trial: n, Point: p, State: Done, Values: []float64{7, tt.f(p)}})
			}
			shares := Importance(s, seen, 1)
			of := map[string]float64{}
			sum, most := 0.0, Share{}
			for _, s := range shares {
				of[s.Name] = s.Share
				sum += s.Share
				if s.Share > most.Share {
					most = s
				}
			}
			t.Logf("%s, %T: %v", tt.name, algorithm, shares)
			rest := 0.0
			for _, name := range tt.none {
				rest += of[name]
			}
			if math.Abs(sum-1) > 1e-12 || most.Name != tt.first || of[tt.first] < tt.least || rest > 0.1 {
				t.Errorf("%s, %T: shares are %v", tt.name, algorithm, shares)
			}
			for _, s := range Importance(s, seen, 0) {
				if s.Share != 0 {
					t.Errorf("%s: %s has a share in an objective that never changes", tt.name, s.Name)
				}
			}
		}
	}
	for _, s := range Importance(s, nil, 0) {
		if s.Share != 0 || s.From != 0 {
			t.Errorf("without results %s has %+v", s.Name, s)
		}
	}
}
