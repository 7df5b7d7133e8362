package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// history is 60 results on mixedSpace: some run, some failed, some are on a higher rung.
func history(s *space.Space, objectives int) []Result {
	r := rand.New(rand.NewPCG(9, 9))
	var seen []Result
	for n := range 60 {
		task := Task{Trial: n, Point: s.Sample(r)}
		result := Result{Trial: n, Point: task.Point, State: Done, Values: outcome(task, objectives), Rung: n % 2}
		switch {
		case n%9 == 4:
			result = Result{Trial: n, Point: task.Point}
		case result.Values == nil:
			result.State, result.Rung = Failed, 0
		}
		seen = append(seen, result)
	}
	return seen
}

// TestProposalDependsOn: not on the order of the results, not on values of trials that run or
// failed, not on what was asked before; but on the seed, on n and on the values.
func TestProposalDependsOn(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	for _, name := range Names {
		for _, objectives := range []int{1, 2} {
			at := func(seed uint64, n int, seen []Result) string {
				a, err := New(name, s, seed)
				if err != nil {
					t.Fatal(err)
				}
				p, ok := a.Propose(n, seen)
				if err := s.Check(p); !ok || err != nil {
					t.Fatalf("%s proposes %s: %v", name, p, err)
				}
				return p.String()
			}
			seen := history(s, objectives)
			want := at(1, 60, seen)
			shuffled := slices.Clone(seen)
			rand.New(rand.NewPCG(1, 1)).Shuffle(60, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			before := slices.Clone(shuffled)
			if got := at(1, 60, shuffled); got != want {
				t.Errorf("%s: another order gives %s, not %s", name, got, want)
			}
			for i := range shuffled {
				if shuffled[i].Trial != before[i].Trial {
					t.Fatalf("%s: the caller's results are sorted", name)
				}
			}
			leak := slices.Clone(seen)
			for i := range leak {
				if leak[i].State != Done {
					leak[i].Values, leak[i].Rung = slices.Repeat([]float64{-1000}, objectives), 7
				}
			}
			if got := at(1, 60, leak); got != want {
				t.Errorf("%s: the value of a trial that has none leaks: %s, not %s", name, got, want)
			}
			other := slices.Clone(seen)
			for i := range other {
				if other[i].State == Done {
					other[i].Values = slices.Repeat([]float64{float64(i * 7 % 60)}, objectives)
				}
			}
			if got := at(1, 60, other); (got == want) != (name == "random") {
				t.Errorf("%s: other values give %s", name, got)
			}
			if at(2, 60, seen) == want || at(1, 61, seen) == want {
				t.Errorf("%s: another seed or number gives the same point", name)
			}
		}
	}
}

// TestBlind: a blind proposal depends on no values.
func TestBlind(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	for _, name := range Names {
		a, _ := New(name, s, 1)
		seen := history(s, 1)
		unknown := slices.Clone(seen)
		for i := range unknown {
			unknown[i].State, unknown[i].Values = Running, nil
		}
		for n := range 60 {
			p, _ := a.Propose(n, seen[:n])
			q, _ := a.Propose(n, unknown[:n])
			if a.Blind(n) && p.Digest() != q.Digest() {
				t.Errorf("%s: proposal %d is blind, and looks at results", name, n)
			}
		}
	}
	if _, err := New("grid", s, 1); err == nil || !strings.Contains(err.Error(), "tpe") {
		t.Errorf("an unknown algorithm: %v", err)
	}
}

// TestNoDuplicates: no point is proposed twice, however strongly the results pull to one.
func TestNoDuplicates(t *testing.T) {
	s := parseSpace(t, "a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\nb: {int: [1, 5]}\nc: {choice: [x, y, z]}\nd: {int: [1, 100], when: {c: z}}\n")
	for _, name := range Names {
		a, _ := New(name, s, 1)
		var seen []Result
		tried := map[space.Digest]bool{}
		for n := range 200 {
			p, ok := a.Propose(n, seen)
			if err := s.Check(p); !ok || err != nil || tried[p.Digest()] {
				t.Fatalf("%s proposes %s as number %d: tried before %v, %v", name, p, n, tried[p.Digest()], err)
			}
			tried[p.Digest()] = true
			x, _ := p.Get("a")
			y, _ := p.Get("b")
			z, _ := p.Get("c")
			v, _ := x.Float()
			w, _ := y.Float()
			if z.String() != "x" {
				v += 100
			}
			seen = append(seen, Result{Trial: n, Point: p, State: Done, Values: []float64{v + w}})
		}
	}
}

// TestSplit: a tenth, at most 25, is good; what runs or failed is not.
func TestSplit(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	r := rand.New(rand.NewPCG(1, 1))
	for n, want := range map[int]int{1: 1, 10: 1, 11: 2, 60: 6, 250: 25, 1000: 25} {
		var seen []Result
		for i := range n {
			seen = append(seen, Result{Trial: i, Point: s.Sample(r), State: Done, Values: []float64{float64((i * 37) % n)}})
		}
		seen = append(seen, Result{Trial: n, Point: s.Sample(r)}, Result{Trial: n + 1, Point: s.Sample(r), State: Failed})
		good, bad := split(seen)
		if len(good) != want || len(bad) != min(n+2-want, mostBad) {
			t.Errorf("of %d trials %d are good and %d bad", n, len(good), len(bad))
		}
		for _, g := range good {
			i := slices.IndexFunc(seen, func(r Result) bool { return r.Point.Digest() == g.point.Digest() })
			if seen[i].State != Done || seen[i].Values[0] >= float64(want) {
				t.Errorf("of %d trials, one with value %v is good", n, seen[i].Values)
			}
		}
		if last := bad[len(bad)-1]; last.point.Digest() != seen[n+1].Point.Digest() || last.weight != 1 {
			t.Error("the failed trial is not the last of the bad")
		}
	}
	// A higher rung comes before a smaller value.
	top := topOf([]Result{{Trial: 0, State: Done, Values: []float64{1}}, {Trial: 1, State: Done, Rung: 1, Values: []float64{2}}}, 1)
	if len(top) != 1 || top[0].Trial != 1 {
		t.Errorf("the best is %+v", top)
	}
	// Of one front the ends and the middle cover more than three neighbours.
	var front []Result
	for i := range 9 {
		front = append(front, Result{Trial: i, State: Done, Values: []float64{float64(i), float64(8 - i)}})
	}
	if top := topOf(front, 3); len(top) != 3 || top[1].Trial-top[0].Trial < 2 || top[2].Trial-top[1].Trial < 2 {
		t.Errorf("the front is covered by %+v", top)
	}
}

// TestDensity: the densities of TPE add up to 1 over everything that they can draw.
func TestDensity(t *testing.T) {
	s := parseSpace(t, "f: {float: [-1, 3]}\ni: {int: [1, 40], log: true}\no: [1, 2, 4]\nc: [x, y]\n")
	var params []*space.Param
	for i := range s.Params() {
		params = append(params, &s.Params()[i])
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 7, 60} {
		var from []weighted
		for i := range n {
			from = append(from, weighted{s.Sample(r), float64(i+1) / float64(n)})
		}
		d := newDensity(params, from)
		sum := 0.0
		const steps = 50
		for f := range steps {
			for i := range 40 {
				for o := range 3 {
					for c := range 2 {
						// Not At: it rounds.
						at := []space.Value{space.Number(-1 + 4*(float64(f)+0.5)/steps), params[1].Nth(i), params[2].Nth(o), params[3].Nth(c)}
						sum += math.Exp(d.log(at)) / math.Sqrt(2*math.Pi) / steps
					}
				}
			}
		}
		if math.Abs(sum-1) > 5e-3 {
			t.Errorf("%d observations: the density adds up to %g", n, sum)
		}
		for range 200 {
			for k, v := range d.draw(r) {
				if !params[k].Has(v) {
					t.Fatalf("%s is drawn as %s", params[k].Name, v)
				}
			}
		}
	}
}

// TestAges: the last 25 weigh fully.
func TestAges(t *testing.T) {
	for n, want := range map[int][]float64{1: {1}, 25: {1, 1}, 26: {1.0 / 26, 1}, 28: {1.0 / 28, (1.0/28 + 1) / 2, 1, 1}} {
		got := ages(n)
		if len(got) != n {
			t.Fatalf("%d weights for %d", len(got), n)
		}
		for i, w := range want {
			if math.Abs(got[i]-w) > 1e-12 {
				t.Errorf("of %d, number %d weighs %g, want %g", n, i, got[i], w)
			}
		}
	}
}

// TestEvolutionForgets: the best trial of all leaves the population in time.
func TestEvolutionForgets(t *testing.T) {
	s := parseSpace(t, "a: {float: [0, 1]}\nb: {float: [0, 1]}\nc: {float: [0, 1]}\n")
	r := rand.New(rand.NewPCG(1, 1))
	seen := make([]Result, 60)
	for n := range seen {
		seen[n] = Result{Trial: n, Point: s.Sample(r), State: Done, Values: []float64{float64(n)}}
	}
	a := NewEvolution(s, 1)
	for n := 60; n < 160; n++ {
		p, _ := a.Propose(n, seen)
		shared := func(q space.Point) int {
			same := 0
			for i, v := range p.Settings() {
				if q.Settings()[i].Value == v.Value {
					same++
				}
			}
			return same
		}
		parent := slices.IndexFunc(seen, func(r Result) bool { return shared(r.Point) == 2 })
		if parent < 40 {
			t.Fatalf("the parent is trial %d of 60, want one of the last 20 with one parameter changed", parent)
		}
	}
}
