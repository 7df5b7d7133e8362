package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func updates(deltas ...[]float32) []Update {
	var out []Update
	for i, d := range deltas {
		out = append(out, Update{Client: fmt.Sprintf("c%d", i), Examples: i + 1, Loss: float64(i + 1), Delta: d})
	}
	return out
}

func TestRules(t *testing.T) {
	line := updates([]float32{1, 0}, []float32{2, 1}, []float32{3, 2}, []float32{4, 3}, []float32{100, -50})
	tests := map[string]struct {
		rule Rule
		want []float32
		left []string
	}{
		"fedavg":        {FedAvg{}, []float32{(1 + 2*2 + 3*3 + 4*4 + 5*100) / 15., (2 + 6 + 12 - 250) / 15.}, nil},
		"median":        {Median{}, []float32{3, 1}, nil},
		"trimmed":       {Trimmed{0.2}, []float32{3, 1}, nil},
		"trimmed more":  {Trimmed{0.4}, []float32{3, 1}, nil},
		"krum":          {Krum{Liars: 1, Keep: 1}, []float32{2, 1}, []string{"c0", "c2", "c3", "c4"}},
		"multi-krum":    {Krum{Liars: 1}, []float32{2.5, 1.5}, []string{"c4"}},
		"multi-krum, 2": {Krum{Liars: 1, Keep: 2}, []float32{2.5, 1.5}, []string{"c0", "c3", "c4"}},
		"clip":          {Clip{Norm: 1}, nil, nil},
	}
	clip := [2]float64{}
	for _, u := range line {
		n := max(1, Norm(u.Delta))
		clip[0] += float64(u.Delta[0]) / n / 5
		clip[1] += float64(u.Delta[1]) / n / 5
	}
	for name, test := range tests {
		if name == "clip" {
			test.want = []float32{float32(clip[0]), float32(clip[1])}
		}
		got, err := test.rule.Combine(line)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := range test.want {
			if math.Abs(float64(got.Delta[i]-test.want[i])) > 1e-5 {
				t.Errorf("%s: %v, want %v", name, got.Delta, test.want)
				break
			}
		}
		if !slices.Equal(got.Left, test.left) {
			t.Errorf("%s: left %v, want %v", name, got.Left, test.left)
		}
	}
}

// Every rule that is called robust bears its number of liars, whatever these send, and the mean
// does not.
func TestLiars(t *testing.T) {
	const n, liars, size = 15, 3, 200
	rng := rand.New(rand.NewPCG(1, 2))
	truth := make([]float32, size)
	for i := range truth {
		truth[i] = float32(rng.NormFloat64())
	}
	attacks := map[string]func(honest []float32) float32{
		"sign flip": func(x []float32) float32 { return -10 * meanOf(x) },
		"scaled":    func(x []float32) float32 { return 1000 * meanOf(x) },
		"random":    func(x []float32) float32 { return float32(100 * rng.NormFloat64()) },
		"same lie":  func(x []float32) float32 { return 50 },
	}
	rules := map[string]Rule{
		"median": Median{}, "trimmed": Trimmed{0.2}, "clip": Clip{}, "krum": Krum{Liars: liars, Keep: 1},
		"multikrum": Krum{Liars: liars}, "bulyan": Bulyan{liars}, "fedavg": FedAvg{},
	}
	for attack, lie := range attacks {
		var all []Update
		for c := range n {
			u := Update{Client: fmt.Sprint(c), Examples: 10, Delta: make([]float32, size)}
			for i := range u.Delta {
				u.Delta[i] = truth[i] + 0.1*float32(rng.NormFloat64())
				if c < liars {
					u.Delta[i] = lie([]float32{truth[i]})
				}
			}
			all = append(all, u)
		}
		for name, rule := range rules {
			got, err := rule.Combine(all)
			if err != nil {
				t.Fatal(err)
			}
			off := math.Sqrt(between(got.Delta, truth)) / Norm(truth)
			limit := 0.2
			if name == "clip" {
				limit = 0.75 // a liar keeps the length of an honest client
			}
			if name == "fedavg" {
				if off < 1 {
					t.Errorf("%s: the mean is off by %.2f only: the attack is too weak to test with", attack, off)
				}
			} else if off > limit {
				t.Errorf("%s: %s is off by %.2f", attack, name, off)
			}
		}
	}
}

func TestBulyanOfFew(t *testing.T) {
	got, err := Bulyan{0}.Combine(updates([]float32{1}, []float32{2}, []float32{6}))
	if err != nil || got.Delta[0] != 3 {
		t.Errorf("%v, %v: without liars it is the mean, 3", got.Delta, err)
	}
}

func TestTooFew(t *testing.T) {
	for rule, needs := range map[Rule]int{
		FedAvg{}: 1, Median{}: 3, Trimmed{0.1}: 10, Trimmed{0.3}: 4, Clip{}: 3, Clip{1}: 1, Krum{Liars: 2, Keep: 1}: 7, Bulyan{2}: 11,
	} {
		if rule.Needs() != needs {
			t.Errorf("%T %v needs %d, want %d", rule, rule, rule.Needs(), needs)
		}
		var few []Update
		for range needs - 1 {
			few = append(few, Update{Client: "a", Examples: 1, Delta: []float32{1}})
		}
		if _, err := rule.Combine(few); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("needs %d clients", needs)) {
			t.Errorf("%T: %v", rule, err)
		}
	}
}

// With q 0 every client counts the same; a larger q moves the weights toward the client that fares
// worst. The formula is algorithm 2 of the paper, by hand for two clients of one weight.
func TestQFedAvg(t *testing.T) {
	two := []Update{{Client: "a", Examples: 1, Loss: 0.5, Delta: []float32{1}}, {Client: "b", Examples: 9, Loss: 2, Delta: []float32{-1}}}
	for q, want := range map[float64]float64{
		0: 0,
		1: (0.5*10 - 2*10) / (1*100 + 10*0.5 + 1*100 + 10*2.),
		2: (0.25*10 - 4*10) / (2*0.5*100 + 10*0.25 + 2*2*100 + 10*4.),
	} {
		got, err := QFedAvg{Q: q, Rate: 0.1}.Combine(two)
		if err != nil || math.Abs(float64(got.Delta[0])-want) > 1e-7 {
			t.Errorf("q %g: %v, %v, want %g", q, got.Delta, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	nan := float32(math.NaN())
	for want, u := range map[string]Update{
		"3 weights, the plan thaws 2": {Client: "a", Examples: 1, Delta: []float32{1, 2, 3}},
		"0 examples":                  {Client: "a", Delta: []float32{1, 2}},
		"weight 1 changes by NaN":     {Client: "a", Examples: 1, Delta: []float32{1, nan}},
		"weight 0 changes by -Inf":    {Client: "a", Examples: 1, Delta: []float32{float32(math.Inf(-1)), nan}},
		"its loss is +Inf":            {Client: "a", Examples: 1, Loss: math.Inf(1), Delta: []float32{1, 2}},
	} {
		if err := u.Check(2); err == nil || !strings.Contains(err.Error(), "client a: "+want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := (&Update{Client: "a", Examples: 1, Delta: []float32{1, 2}}).Check(2); err != nil {
		t.Error(err)
	}
}

// Steps of the adaptive optimizers by the formulas of the paper, by hand for one weight.
func TestOptimizers(t *testing.T) {
	steps := func(o Optimizer, deltas ...float32) (out []float64) {
		for _, d := range deltas {
			out = append(out, float64(o.Step([]float32{d})[0]))
		}
		return out
	}
	a := func(kind string) *Adaptive {
		return &Adaptive{Kind: kind, Rate: 0.1, Beta1: 0.9, Beta2: 0.99, Tau: 0.01}
	}
	m1, m2 := 0.1*2, 0.9*0.2+0.1*-1
	v0 := 1e-4
	step := func(m, v float64) float64 { return 0.1 * m / (math.Sqrt(v) + 0.01) }
	yogi1 := v0 + 0.01*4
	yogi2 := yogi1 + 0.01*1
	for name, test := range map[string]struct {
		o    Optimizer
		want []float64
	}{
		"direct":   {direct(), []float64{2, -1}},
		"momentum": {&Momentum{Rate: 0.5, Beta: 0.9}, []float64{1, 0.4}},
		"adagrad":  {a("adagrad"), []float64{step(m1, v0+4), step(m2, v0+5)}},
		"adam":     {a("adam"), []float64{step(m1, 0.99*v0+0.04), step(m2, 0.99*(0.99*v0+0.04)+0.01)}},
		"yogi":     {a("yogi"), []float64{step(m1, yogi1), step(m2, yogi2)}},
	} {
		for i, got := range steps(test.o, 2, -1) {
			if math.Abs(got-test.want[i]) > 1e-6 {
				t.Errorf("%s: step %d is %g, want %g", name, i, got, test.want[i])
			}
		}
	}
}

// A server that was killed goes on with the state of its optimizer to the same bits.
func TestRestore(t *testing.T) {
	for _, form := range []string{"fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad"} {
		s, err := Parse(form)
		if err != nil {
			t.Fatal(err)
		}
		whole, first := s.NewOptimizer(), s.NewOptimizer()
		for _, o := range []Optimizer{whole, first} {
			o.Step([]float32{1, -2})
		}
		second := s.NewOptimizer()
		if err := second.Restore(first.State()); err != nil {
			t.Fatal(err)
		}
		if a, b := whole.Step([]float32{3, 4}), second.Step([]float32{3, 4}); !slices.Equal(a, b) {
			t.Errorf("%s: %v, resumed %v", form, a, b)
		}
		if err := second.Restore(map[string][]float32{"other": {1}}); err == nil {
			t.Errorf("%s: takes the state of another strategy", form)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Rule{
		"fedavg": FedAvg{}, "trimmed:0.2": Trimmed{0.2}, "clip": Clip{}, "clip:2.5": Clip{2.5}, "krum:2": Krum{Liars: 2, Keep: 1},
		"multikrum:2": Krum{Liars: 2}, "multikrum:2,5": Krum{Liars: 2, Keep: 5}, "bulyan:1": Bulyan{1}, "qfedavg:0.5": QFedAvg{Q: 0.5},
		"fedprox:0.01": FedAvg{}, "fedadam:0.1": FedAvg{},
	} {
		s, err := Parse(text)
		if err != nil || s.Rule != want || s.Name != text {
			t.Errorf("%s: %#v, %v", text, s.Rule, err)
		}
	}
	if s, _ := Parse("fedprox:0.01"); s.Prox != 0.01 {
		t.Errorf("fedprox has mu %g", s.Prox)
	}
	if s, _ := Parse("qfedavg:1"); s.WithRate(0.3).Rule != (QFedAvg{1, 0.3}) {
		t.Error("qfedavg is not told the rate")
	}
	for text, want := range map[string]string{
		"fedsgd":        "give one of fedavg, fedavgm[:BETA], fedprox:MU",
		"fedprox":       "fedprox needs a number: fedprox:MU",
		"fedavg:3":      "fedavg takes no number",
		"trimmed:0.5":   "0.5 is not from 0 to below 0.5",
		"trimmed:x":     `"x" is not a number`,
		"trimmed:NaN":   `"NaN" is not a number`,
		"krum:1.5":      "the number of liars is a whole number from 0",
		"krum:-1":       "the number of liars is a whole number from 0",
		"krum:1,2":      "krum takes LIARS, not 2 numbers",
		"clip:0":        "the norm 0 is not above 0",
		"fedprox:-1":    "-1 is not above 0",
		"fedavgm:1":     "1 is not from 0 to below 1",
		"fedadam:0":     "0 is not above 0",
		"multikrum:":    `"" is not a number`,
		"bulyan:1e9":    "whole number",
		"qfedavg:1,2,3": "takes Q, not 3 numbers",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
