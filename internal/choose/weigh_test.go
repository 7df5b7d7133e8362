package choose

import (
	"strings"
	"testing"
)

// evidenceOf is advice on a model of four blocks before it is weighed.
func evidenceOf(examples int, train, held float64, earlier ...float64) *Advice {
	a := &Advice{Examples: examples, Classes: 4, Params: 1e6, Majority: 0.25, Blocks: []string{"a", "b", "c", "d"}}
	for i, h := range append(earlier, held) {
		a.Depths = append(a.Depths, DepthEvidence{Depth: a.Blocks[i], Train: train, HeldOut: h, Error: 0.02})
	}
	a.Depths[len(a.Depths)-1].Depth = "features"
	for i, thaw := range []string{"head", "head,last:1", "head,last:2", "all"} {
		n := float64([]int{0, 1, 2, 4}[i]) / 4
		a.Candidates = append(a.Candidates, Candidate{Thaw: thaw, Pull: n, Depth: n})
	}
	return a
}

func TestWeigh(t *testing.T) {
	for _, c := range []struct {
		name       string
		a          *Advice
		thaw, sure string
		why        string
	}{
		{"the trunk underfits", evidenceOf(2000, 0.7, 0.65, 0.4, 0.5), "all", "high", "underfits"},
		{"the trunk fits", evidenceOf(200, 1, 0.93, 0.5, 0.7), "head", "medium", "lacks is examples"},
		{"nothing is left to gain", evidenceOf(2000, 1, 0.995, 0.5, 0.7), "head", "low", "next to nothing"},
		{"the last blocks know less", evidenceOf(2000, 1, 0.7, 0.5, 0.85), "all", "high", "Features after b already reach 85.0%"},
		{"little underfitting, few examples", evidenceOf(25, 0.97, 0.8, 0.5, 0.7), "head", "medium", "lacks is examples"},
		{"features that tell nothing", evidenceOf(200, 0.4, 0.27), "all", "low", "underfits"},
	} {
		Weigh(c.a)
		r := c.a.Recommended
		if r.Thaw != c.thaw || r.Sure != c.sure || !strings.Contains(r.Why, c.why) {
			t.Errorf("%s: %s, %s, %q; want %s, %s, %q\n%v", c.name, r.Thaw, r.Sure, r.Why, c.thaw, c.sure, c.why, c.a.Candidates)
		}
		for _, p := range c.a.Candidates {
			if p.Score < c.a.Majority || p.Score > 1 {
				t.Errorf("%s: %s is expected to reach %v", c.name, p.Thaw, p.Score)
			}
		}
	}
	cheap := evidenceOf(2000, 0.995, 0.95, 0.5, 0.7)
	cheap.Candidates[1].Pull = 1 // what the last block mends is all there is
	for i := range cheap.Depths {
		cheap.Depths[i].Train = 0.9
	}
	if Weigh(cheap); cheap.Recommended.Thaw != "head,last:1" {
		t.Errorf("of plans that promise the same, %s", cheap.Recommended.Thaw)
	}
}
