package calibrate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
)

// TestBins counts five answers by hand: 0.8 and 0.79 share a bin, 1 and 0 are in the outermost ones.
func TestBins(t *testing.T) {
	var a, b Bins
	a.Add(0.8, true)
	a.Add(0.79, false)
	a.Add(math.NaN(), true)
	b.Add(1, true)
	b.Add(1, false)
	b.Add(0, false)
	a.Merge(&b)
	if a[11] != (Bin{2, 1, 0.8 + 0.79}) || a[14] != (Bin{2, 1, 2}) || a[0] != (Bin{1, 0, 0}) {
		t.Errorf("bins %v", a)
	}
	if want := (0.59 + 1 + 0) / 5; math.Abs(a.ECE()-want) > 1e-12 {
		t.Errorf("error %g, want %g", a.ECE(), want)
	}
	if none := new(Bins); none.ECE() != 0 || none.Chance() != 0 {
		t.Errorf("without answers %g and %g", none.ECE(), none.Chance())
	}
	text, err := json.Marshal(&a)
	if err != nil {
		t.Fatal(err)
	}
	var back Bins
	if err := json.Unmarshal(text, &back); err != nil || back != a {
		t.Errorf("%v reads back as %v (%v)", a, back, err)
	}
	if err := json.Unmarshal([]byte("[[1,1,1]]"), &back); err == nil {
		t.Error("one bin was read as all")
	}
}

// TestChance draws answers whose probabilities are right: their mean error is what Chance says.
func TestChance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var sure Bins
	mean, chance := 0.0, 0.0
	const rounds = 400
	for range rounds {
		var b Bins
		for range 300 {
			p := 0.4 + 0.6*r.Float64()
			b.Add(p, r.Float64() < p)
		}
		mean += b.ECE() / rounds
		chance += b.Chance() / rounds
		sure.Add(1, true)
	}
	if math.Abs(mean-chance) > 0.001 || mean < 0.01 {
		t.Errorf("mean error %.4f, expected %.4f", mean, chance)
	}
	if sure.Chance() != 0 {
		t.Errorf("certain answers err by chance: %g", sure.Chance())
	}
}

// scores draws n examples whose classes have the probabilities of the logits at a temperature.
func scores(n int, temperature float64) *Scores {
	r := rand.New(rand.NewPCG(3, 4))
	s := &Scores{Classes: 3}
	for range n {
		var p [3]float64
		row := make([]float32, 3)
		sum := 0.0
		for c := range row {
			row[c] = float32(4 * r.NormFloat64())
			p[c] = math.Exp(float64(row[c]) / temperature)
			sum += p[c]
		}
		u, label := r.Float64()*sum, 0
		for label < 2 && u > p[label] {
			u -= p[label]
			label++
		}
		s.Logits, s.Labels = append(s.Logits, row...), append(s.Labels, label)
	}
	return s
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v / float64(len(x))
	}
	return sum
}

func TestTemperature(t *testing.T) {
	for _, want := range []float64{0.5, 1, 3} {
		s := scores(20_000, want)
		got := s.Temperature()
		if math.Abs(got/want-1) > 0.05 {
			t.Errorf("temperature %.3f, want %.3f", got, want)
		}
		for _, x := range []float64{0.9, 1.1} {
			if mean(s.Losses(got)) >= mean(s.Losses(got*x)) {
				t.Errorf("the loss at %.3f is no less than at %.3f", got, got*x)
			}
		}
	}
	if got := new(Scores).Temperature(); got != 1 {
		t.Errorf("without examples %g", got)
	}
}

// TestTemperatureOfFew: examples that are all right, or all wrong, have a temperature within bounds,
// and more right examples a lower one.
func TestTemperatureOfFew(t *testing.T) {
	all := func(n, label int) float64 {
		s := &Scores{Classes: 2}
		for range n {
			s.Logits, s.Labels = append(s.Logits, 1, 0), append(s.Labels, label)
		}
		return s.Temperature()
	}
	if few, many := all(10, 0), all(1000, 0); !(many < few && few < 1 && many >= Coldest) {
		t.Errorf("all right: %g for 10, %g for 1000", few, many)
	}
	if wrong := all(10, 1); wrong < Hottest*0.99 {
		t.Errorf("all wrong: %g", wrong)
	}
}

// TestEvident: twice the logarithm of the likelihood ratio decides, at its edge.
func TestEvident(t *testing.T) {
	s := scores(2000, 1.3)
	full := Evidence(s.Losses(1), s.Losses(s.Temperature()))
	n := int(2000 * VeryStrong / full)
	for _, c := range []struct {
		n       int
		evident bool
	}{{n / 3, false}, {3 * n, true}} {
		part := &Scores{Classes: 3, Logits: s.Logits[:3*c.n], Labels: s.Labels[:c.n]}
		strength := Evidence(part.Losses(1), part.Losses(part.Temperature()))
		if got := part.Evident(VeryStrong); (got != 1) != c.evident || (strength >= VeryStrong) != c.evident {
			t.Errorf("%d examples with evidence %.1f: temperature %g", c.n, strength, got)
		}
	}
}
