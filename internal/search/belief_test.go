package search

import (
	"math"
	"math/rand/v2"
	"testing"
)

// ladder is the head and plans of growing depth, at the usual rate and three times that.
func ladder() []Choice {
	out := []Choice{{Work: 1}}
	for _, depth := range []float64{0.25, 0.5, 0.75, 1} {
		for _, rate := range []float64{0, 1} {
			out = append(out, Choice{Depth: depth, Rate: rate, Work: 100 * depth})
		}
	}
	return out
}

func all(int) bool { return true }

// flat is a reading of n examples of that mean badness, half of them easier by a factor.
func flat(choice, part int, share, mean, easier float64, n int) Reading {
	r := Reading{Choice: choice, Part: part, Share: share}
	for i := range n {
		f := 2 / (1 + easier)
		if i%2 == 0 {
			f *= easier
		}
		r.Each = append(r.Each, mean*f)
	}
	return r
}

// TestBeliefReads: a whole fit is believed; it says most of its own choice, something of the choices
// beside it, and less of those far from it.
func TestBeliefReads(t *testing.T) {
	b := Belief{Choices: ladder(), Trained: 1}
	var before []float64
	for c := range b.Choices {
		_, d := b.Difference(c, 0)
		before = append(before, d)
	}
	b.Read(flat(0, 0, 1, 0.5, 0.8, 200))
	b.Read(flat(1, 0, 1, 0.1, 0.8, 200))
	mean, _ := b.Difference(1, 0)
	if want := math.Log(0.1 / 0.5); math.Abs(mean-want) > 0.15 {
		t.Errorf("a difference of %.2f is expected where %.2f was read", mean, want)
	}
	var told []float64
	for _, c := range []int{1, 3, 7} {
		_, d := b.Difference(c, 0)
		told = append(told, d/before[c])
	}
	if told[0] >= told[1] || told[1] >= told[2] || told[2] >= 0.9 {
		t.Errorf("of the doubt of the last one, two and all blocks are left %.2f", told)
	}
}

// TestBeliefExtrapolates: a fit in its middle is expected to get better, one with a high rate and
// everything thawed the most, and a long one hardly.
func TestBeliefExtrapolates(t *testing.T) {
	gain := func(c int, share float64) float64 {
		b := Belief{Choices: ladder(), Trained: 1}
		b.Choices[c].Mean = -b.Choices[c].before() + math.Log(0.2) // as read, if the fit were whole
		b.Read(flat(c, 0, share, 0.2, 0.8, 500))
		b.update()
		return math.Log(0.2) - b.mean[c]
	}
	if early, later, whole := gain(1, 0.125), gain(1, 0.5), gain(1, 1); early < later+0.05 || later < whole || math.Abs(whole) > 0.01 {
		t.Errorf("expected to gain %.3f after an eighth, %.3f after a half, %.3f at the end", early, later, whole)
	}
	if usual, high := gain(7, 0.25), gain(8, 0.25); high < usual+0.05 {
		t.Errorf("with everything thawed expected to gain %.3f at the usual rate, %.3f at three times that", usual, high)
	}
}

// TestBeliefDeeper: where the last block gains much over the head, everything is expected to gain
// more than it; where it gains little, less. Fewer examples show less of the gain.
func TestBeliefDeeper(t *testing.T) {
	deeper := func(block, trained float64) float64 {
		b := Belief{Choices: ladder(), Trained: trained}
		b.Read(flat(0, 0, 1, 0.5, 0.8, 200))
		b.Read(flat(1, 0, 1, block, 0.8, 200))
		mean, _ := b.Difference(7, 1)
		return mean
	}
	if far, near := deeper(0.1, 1), deeper(0.45, 1); far > -0.1 || near < 0.1 {
		t.Errorf("everything is expected %.2f above the last block where that gains much, %.2f where little", far, near)
	}
	if all, part := deeper(0.2, 1), deeper(0.2, 0.5); part > all-0.05 {
		t.Errorf("everything is expected %.2f above the last block after all examples, %.2f after half", all, part)
	}
}

// TestBeliefPairs: readings on the same examples tell two choices apart better than readings on
// others.
func TestBeliefPairs(t *testing.T) {
	width := func(part int) float64 {
		b := Belief{Choices: ladder(), Trained: 1}
		b.Read(flat(1, 0, 1, 0.2, 0.01, 20))
		b.Read(flat(3, part, 1, 0.1, 0.01, 20))
		_, d := b.Difference(1, 3)
		return d
	}
	if same, other := width(0), width(1); same > 0.95*other {
		t.Errorf("error of the difference %.3f on the same examples, %.3f on others", same, other)
	}
}

// TestBeliefNext: the next step is one of the leader or of a challenger, and none where work is too
// dear.
func TestBeliefNext(t *testing.T) {
	b := Belief{Choices: ladder(), Trained: 1}
	b.Read(flat(0, 0, 1, 0.5, 0.8, 50))
	var steps []Step
	for c := 1; c < len(b.Choices); c++ {
		for _, share := range []float64{0.25, 1} {
			steps = append(steps, Step{Choice: c, Share: share, Examples: 50, Work: b.Choices[c].Work * share})
		}
	}
	best := b.Best(0, all)
	if best == 0 {
		t.Fatal("the head is expected to be best where deeper plans mostly are better")
	}
	s, ok := b.Next(steps, best, 1e-9, all)
	if !ok || s.Work <= 0 {
		t.Errorf("no step: %+v", s)
	}
	if s, ok := b.Next(steps, best, 1, all); ok {
		t.Errorf("a step at a price beyond all gain: %+v", s)
	}
	if _, ok := b.Next(nil, best, 0, all); ok {
		t.Error("a step from none")
	}
}

// TestBeliefFinds: on made-up tasks, a search of a fifth of the work of trying everything ends much
// nearer to the best than a choice at random.
func TestBeliefFinds(t *testing.T) {
	found, chance := 0.0, 0.0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := Belief{Choices: ladder(), Trained: 1}
		truth := make([]float64, len(b.Choices))
		slope, rate := r.NormFloat64()*0.8-0.3, r.NormFloat64()*0.4
		for c, of := range b.Choices {
			if of.Depth > 0 {
				truth[c] = -0.8 + slope*of.Depth + rate*of.Rate
			}
		}
		shown := func(s Step) Reading {
			out := Reading{Choice: s.Choice, Part: s.Part, Share: s.Share}
			level := truth[s.Choice] + curveMean*early(s.Share) + 0.1*r.NormFloat64()
			for range 40 {
				z := r.NormFloat64()
				out.Each = append(out.Each, math.Exp(level)*z*z)
			}
			return out
		}
		b.Read(shown(Step{Share: 1}))
		at := map[int]Step{}
		for work := 0.0; work < 100; { // trying everything takes 501
			var steps []Step
			for c := 1; c < len(b.Choices); c++ {
				s := Step{Choice: c, Share: 0.25, Examples: 40, Work: b.Choices[c].Work / 4}
				if was, ok := at[c]; ok {
					s = was
					s.Share, s.Work = was.Share*2, b.Choices[c].Work*was.Share
					if was.Share == 1 {
						s = Step{Choice: c, Part: was.Part + 1, Share: 0.25, Examples: 40, Work: b.Choices[c].Work / 4}
					}
				}
				steps = append(steps, s)
			}
			s, ok := b.Next(steps, b.Best(0, all), 0, all)
			if !ok {
				break
			}
			at[s.Choice], work = s, work+s.Work
			b.Read(shown(s))
		}
		least, mean := math.Inf(1), 0.0
		for _, x := range truth {
			least, mean = math.Min(least, x), mean+x/float64(len(truth))
		}
		found, chance = found+truth[b.Best(0, all)]-least, chance+mean-least
	}
	if found > chance/3 {
		t.Errorf("ended %.2f behind the best, a choice at random %.2f", found/20, chance/20)
	}
}
