package choose

import (
	"math"
	"strings"
	"testing"
)

// evidenceOf is advice on a model of four blocks before it is weighed.
func evidenceOf(examples int, train, held float64, earlier ...float64) *Advice {
	a := &Advice{Examples: examples, Classes: 4, Params: 1e6, Majority: 0.25, Blocks: []string{"a", "b", "c", "d"}}
	e := math.Sqrt(held * (1 - held) / float64(examples))
	for i, h := range append(earlier, held) {
		a.Depths = append(a.Depths, DepthEvidence{Depth: a.Blocks[i], Features: 10, Train: train, HeldOut: h, Error: e, Gain: h - held, GainErr: e})
	}
	a.Depths[len(a.Depths)-1].Depth = "features"
	for i, thaw := range []string{"head", "head,last:1", "head,last:2", "all"} {
		n := float64([]int{0, 1, 2, 4}[i]) / 4
		a.Candidates = append(a.Candidates, Candidate{Thaw: thaw, Pull: n, Depth: n})
	}
	return a
}

// jointly adds what a probe of all depths gains over the head's, of many features.
func jointly(a *Advice, gain, err float64) *Advice {
	a.Joint = &JointEvidence{Gain: gain, Error: err, HeldOut: a.Depths[len(a.Depths)-1].HeldOut + gain}
	a.Depths[len(a.Depths)-1].Features = 1024
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
		{"the trunk fits", evidenceOf(200, 1, 0.93, 0.5, 0.7), "head", "low", "lacks is examples"},
		{"more features are no help", jointly(evidenceOf(244, 1, 0.95, 0.5, 0.7), -0.045, 0.013), "head", "high", "loses 4.5 points"},
		{"more features make no difference", jointly(evidenceOf(244, 1, 0.95, 0.5, 0.7), -0.01, 0.013), "head", "low", "does no better"},
		{"fits its own examples, and more features help", jointly(evidenceOf(1451, 1, 0.965, 0.5, 0.7), 0.014, 0.004), "all", "high", "fit them all"},
		{"nothing is left to gain", evidenceOf(2000, 1, 0.996, 0.5, 0.7), "head", "high", "next to nothing"},
		{"the last blocks know less", evidenceOf(2000, 1, 0.7, 0.5, 0.85), "all", "high", "Features after b already reach 85.0%"},
		{"little underfitting, few examples", evidenceOf(25, 0.97, 0.8, 0.5, 0.7), "head", "low", "lacks is examples"},
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
	beside := evidenceOf(2000, 0.5, 0.5, 0.5, 0.7)
	beside.Candidates = append([]Candidate{{Thaw: "head,kind:adapter", Adapter: "ia3", Pull: 1}}, beside.Candidates...)
	if Weigh(beside); beside.Recommended.Thaw != "all" || beside.Candidates[0].Score <= beside.Depths[0].HeldOut {
		t.Errorf("with an adapter among the plans, %s is recommended of %v", beside.Recommended.Thaw, beside.Candidates)
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

// TestGuess: without probes the gradients say no more than whether the trunk is pulled at all, and
// the advice is sure of nothing.
func TestGuess(t *testing.T) {
	for _, c := range []struct {
		signal     float64
		thaw, says string
	}{{0.3, "head,last:1", "Batches agree"}, {0.1, "head", "not told from noise"}} {
		a := evidenceOf(200, 1, 0.9)
		a.Task, a.Depths, a.Gradients = "regress", nil, []BlockGradient{{Scores: map[string]float64{"signal_to_noise": c.signal}}, {Scores: map[string]float64{"signal_to_noise": c.signal / 2}}}
		a.guess()
		r := a.Recommended
		if r.Thaw != c.thaw || r.Sure != "low" || !strings.Contains(r.Why, c.says) || !strings.Contains(r.Doubts, "regress") {
			t.Errorf("signal %v: %+v", c.signal, r)
		}
	}
}
