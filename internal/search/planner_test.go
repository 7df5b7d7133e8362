package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// mixedSpace has choices, ranges and conditions two deep.
const mixedSpace = `
head: [linear, mlp]
width: {int: [16, 512], log: true, when: {head: mlp}}
drop: {choice: [yes, no], when: {head: mlp}}
dropout: {float: [0, 0.5], when: {drop: yes}}
lr: {log: [1e-5, 1e-1]}
depth: [0, 1, 2, 4, 8]
plan: [head, last, all]
`

func parseSpace(t testing.TB, file string) *space.Space {
	t.Helper()
	var known []space.Known
	for line := range strings.Lines(file) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			known = append(known, space.Known{Name: name})
		}
	}
	s, err := space.Parse([]byte(file), known)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mixed is a function on mixedSpace with its least value, 0, at an mlp of width 64 with dropout
// 0.2, lr 1e-3, depth 2 and plan last. The head decides which other parameters matter.
func mixed(p space.Point) float64 {
	x := func(name string) float64 {
		v, _ := p.Get(name)
		f, _ := v.Float()
		return f
	}
	text := func(name string) string {
		v, _ := p.Get(name)
		return v.String()
	}
	sum := math.Pow(math.Log10(x("lr"))+3, 2) / 4
	sum += math.Abs(math.Log2(1+x("depth"))-math.Log2(3)) / 4
	sum += map[string]float64{"head": 0.3, "last": 0, "all": 0.6}[text("plan")]
	if text("head") == "linear" {
		return sum + 0.4
	}
	sum += math.Pow(math.Log2(x("width"))-6, 2) / 8
	if text("drop") == "no" {
		return sum + 0.2
	}
	return sum + 4*math.Pow(x("dropout")-0.2, 2)
}

// outcome is the result of a task: it depends on the point and the rung alone, some fail.
func outcome(task Task, objectives int) []float64 {
	d := task.Point.Digest()
	if d[0]%11 == 0 && int(d[1])%3 <= task.Rung {
		return nil
	}
	noise := float64(d[2]) / 256 / float64(1+task.Rung)
	out := []float64{mixed(task.Point) + noise}
	if objectives == 2 {
		v, _ := task.Point.Get("depth")
		depth, _ := v.Float()
		out = append(out, depth+float64(d[3])/256)
	}
	return out
}

// simulate runs a plan on workers whose tasks take random times, and lists the tasks done.
func simulate(t *testing.T, plan Plan, workers, objectives int, seed uint64) (tasks []string, p *Planner) {
	t.Helper()
	p, err := NewPlanner(plan)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	type busy struct {
		task Task
		end  float64
	}
	var running []busy
	over := map[int]bool{}
	now := 0.0
	for {
		for len(running) < workers {
			task, ok := p.Next()
			if !ok {
				break
			}
			running = append(running, busy{task, now + r.ExpFloat64()*float64(1+9*r.IntN(2))})
			tasks = append(tasks, fmt.Sprintf("%04d.%d %d-%d %s", task.Trial, task.Rung, task.From, task.To, task.Point))
		}
		if len(running) == 0 {
			break
		}
		i := 0
		for j := range running {
			if running[j].end < running[i].end {
				i = j
			}
		}
		done := running[i]
		now = done.end
		running = slices.Delete(running, i, i+1)
		if !p.Report(done.task.Trial, done.task.Rung, outcome(done.task, objectives), 0) {
			t.Fatalf("the result of %+v is refused", done.task)
		}
		for n := range p.trials { // what is over does not run
			if p.Over(n) {
				over[n] = true
			} else if over[n] {
				t.Fatalf("trial %d was over and is not", n)
			}
		}
		for _, b := range running {
			if over[b.task.Trial] {
				t.Fatalf("%+v runs and is over", b.task)
			}
		}
		if p.Report(done.task.Trial, done.task.Rung, nil, 0) {
			t.Fatalf("a second result of %+v is taken", done.task)
		}
	}
	if !p.Finished() {
		t.Fatal("nothing runs, nothing may start, and the search is not finished")
	}
	for n := range p.trials {
		if !p.Over(n) {
			t.Fatalf("the search is finished and trial %d is not over", n)
		}
	}
	slices.Sort(tasks)
	return tasks, p
}

// TestSameForAnyWorkers: the tasks and the results are the same for any number of workers, whatever
// the time that each task takes.
func TestSameForAnyWorkers(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	for _, name := range Names {
		for _, objectives := range []int{1, 2} {
			for _, rungs := range []Rungs{{}, Halving(1, 9, 3), {Resource: []int{1, 2, 4, 8}, Eta: 2, Cohort: 5}} {
				for _, trials := range []int{1, 47, 60} {
					a, err := New(name, s, 5)
					if err != nil {
						t.Fatal(err)
					}
					plan := Plan{Space: s, Algorithm: a, Trials: trials, Lag: 4, Rungs: rungs, Prior: func(p space.Point) float64 { return -mixed(p) }}
					want, p := simulate(t, plan, 1, objectives, 0)
					if len(p.trials) != trials {
						t.Fatalf("%s: %d trials, want %d", name, len(p.trials), trials)
					}
					for _, workers := range []int{2, 4, 7} {
						got, q := simulate(t, plan, workers, objectives, uint64(workers))
						if !slices.Equal(got, want) {
							t.Fatalf("%s, %d objectives, %+v: %d workers run\n%s\none runs\n%s", name, objectives, rungs, workers, strings.Join(got, "\n"), strings.Join(want, "\n"))
						}
						if !reflect.DeepEqual(q.Results(), p.Results()) {
							t.Fatalf("%s: the results differ", name)
						}
					}
				}
			}
		}
	}
}

// TestLag: workers up to the lag are never idle, and a proposal sees what it should.
func TestLag(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	spy := &spy{Algorithm: NewTPE(s, 1)}
	p, err := NewPlanner(Plan{Space: s, Algorithm: spy, Trials: 30, Lag: 3, Rungs: Rungs{Resource: []int{1, 3}, Eta: 3, Cohort: 3}})
	if err != nil {
		t.Fatal(err)
	}
	var running []Task
	for len(running) < 13 { // ten are blind, and three more would be within the lag of trial 9
		task, ok := p.Next()
		if !ok {
			break
		}
		running = append(running, task)
	}
	if len(running) != 10 {
		t.Fatalf("%d tasks start before any result, want the 10 random ones", len(running))
	}
	for _, task := range running[:7] {
		p.Report(task.Trial, 0, []float64{float64(task.Trial)}, 0)
	}
	task, ok := p.Next() // trial 0 goes on
	if !ok || task.Trial != 0 || task.Rung != 1 || task.From != 1 || task.To != 3 {
		t.Fatalf("next is %+v, want rung 1 of trial 0", task)
	}
	p.Report(0, 1, []float64{-1}, 0)
	second, _ := p.Next() // so does trial 3
	if !p.Over(0) || !p.Over(1) || p.Over(3) || p.Over(6) || p.Over(7) {
		t.Error("over are other trials than 0, at the top, and 1, left behind")
	}
	if third, ok := p.Next(); ok {
		t.Fatalf("%+v starts before trial 7, three before it, has a result", third)
	}
	p.Report(7, 0, []float64{7}, 0)
	if task, ok = p.Next(); !ok || task.Trial != 10 {
		t.Fatalf("next is %+v, %v, want trial 10", task, ok)
	}
	// Trial 10 sees trials 0 to 7, of cohort 0 the rung above, and not that trial 3 is on it.
	for i, r := range spy.seen {
		want := Result{Trial: i, Point: p.trials[i].point}
		switch {
		case i == 0:
			want.State, want.Rung, want.Values = Done, 1, []float64{-1}
		case i <= 7:
			want.State, want.Values = Done, []float64{float64(i)}
		}
		if !reflect.DeepEqual(r, want) {
			t.Errorf("proposal 10 sees %+v, want %+v", r, want)
		}
	}
	if len(spy.seen) != 10 || second.Trial != 3 {
		t.Errorf("proposal 10 sees %d trials, %+v runs", len(spy.seen), second)
	}
}

// spy keeps what a proposal was shown.
type spy struct {
	Algorithm
	seen []Result
}

func (a *spy) Propose(n int, seen []Result) (space.Point, bool) {
	a.seen = slices.Clone(seen)
	return a.Algorithm.Propose(n, seen)
}

// TestHalving: of a cohort the best third goes on each time, a failed trial never.
func TestHalving(t *testing.T) {
	rungs := Halving(1, 9, 3)
	if want := (Rungs{Resource: []int{1, 3, 9}, Eta: 3, Cohort: 9}); !reflect.DeepEqual(rungs, want) {
		t.Fatalf("rungs are %+v, want %+v", rungs, want)
	}
	if got := Halving(2, 10, 2); !reflect.DeepEqual(got, Rungs{Resource: []int{2, 5, 10}, Eta: 2, Cohort: 4}) {
		t.Fatalf("rungs are %+v", got)
	}
	s := parseSpace(t, mixedSpace)
	_, p := simulate(t, Plan{Space: s, Algorithm: NewRandom(s, 3), Trials: 30, Lag: 1, Rungs: rungs}, 4, 1, 1)
	for c, size := range []int{9, 9, 9, 3} {
		cohort := p.trials[9*c : 9*c+size]
		entered := len(cohort)
		for rung := range 2 {
			var on, off []float64
			n := 0
			for _, t := range cohort {
				if len(t.values) <= rung || t.values[rung] == nil {
					continue
				}
				n++
				if t.started > rung+1 {
					on = append(on, t.values[rung][0])
				} else {
					off = append(off, t.values[rung][0])
				}
			}
			if want := min(n, max(1, entered/3)); len(on) != want {
				t.Errorf("cohort %d: %d go on from rung %d, want %d of %d", c, len(on), rung, want, entered)
			}
			if len(on) > 0 && len(off) > 0 && slices.Max(on) > slices.Min(off) {
				t.Errorf("cohort %d: %v go on from rung %d and %v do not", c, on, rung, off)
			}
			entered = len(on)
		}
	}
}

// TestAsync: the best third of a rung has gone on in the end, and one trial is whole.
func TestAsync(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	for _, objectives := range []int{1, 2} {
		for _, trials := range []int{1, 4, 50} {
			for _, workers := range []int{1, 5} {
				_, p := simulate(t, Plan{Space: s, Algorithm: NewTPE(s, 3), Trials: trials, Lag: 1, Rungs: Halving(1, 9, 3), Async: true}, workers, objectives, 1)
				for rung := range 2 {
					in := p.on(rung)
					for k, i := range order(in, len(in)) {
						on := p.trials[in[i].Trial].started > rung+1
						if k < len(in)/3 && !on {
							t.Errorf("%d trials: number %d of %d on rung %d did not go on", trials, k, len(in), rung)
						}
					}
				}
				if len(p.on(2)) == 0 && trials > 1 {
					t.Errorf("%d trials: none is whole", trials)
				}
			}
		}
	}
}

// TestEnds: a finite space is run through once, whatever the algorithm, and the search ends.
func TestEnds(t *testing.T) {
	s := parseSpace(t, "head: [linear, mlp]\nwidth: {int: [1, 7], when: {head: mlp}}\ndepth: [1, 2, 3]\n")
	for _, name := range Names {
		for _, async := range []bool{false, true} {
			a, _ := New(name, s, 2)
			p, err := NewPlanner(Plan{Space: s, Algorithm: a, Lag: 2, Rungs: Halving(1, 4, 2), Async: async})
			if err != nil {
				t.Fatal(err)
			}
			seen := map[space.Digest]bool{}
			for task, ok := p.Next(); ok; task, ok = p.Next() {
				seen[task.Point.Digest()] = true
				p.Report(task.Trial, task.Rung, []float64{float64(len(seen) % 5)}, 0)
			}
			if len(seen) != s.Size() || len(p.trials) != s.Size() || !p.Finished() {
				t.Errorf("%s: %d different points in %d trials of a space of %d, finished: %v", name, len(seen), len(p.trials), s.Size(), p.Finished())
			}
		}
	}
}

// TestStop: after Stop what runs may finish, and nothing new is proposed.
func TestStop(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	p, err := NewPlanner(Plan{Space: s, Algorithm: NewRandom(s, 1), Lag: 1, Rungs: Halving(1, 3, 3)})
	if err != nil {
		t.Fatal(err)
	}
	p.Next()
	p.Next()
	p.Stop()
	if _, ok := p.Next(); ok || p.Finished() {
		t.Fatal("a trial starts after Stop, or the search is finished while two run")
	}
	p.Report(1, 0, []float64{1}, 0)
	p.Report(0, 0, []float64{math.NaN()}, 0)
	if task, ok := p.Next(); !ok || task.Trial != 1 || task.Rung != 1 {
		t.Fatalf("next is %+v, %v", task, ok)
	}
	if p.Finished() {
		t.Fatal("finished while a trial runs")
	}
	p.Report(1, 1, []float64{1}, 0)
	if _, ok := p.Next(); ok || !p.Finished() {
		t.Fatal("not finished")
	}
	if r := p.Results(); r[0].State != Failed || r[1].State != Done || r[1].Rung != 1 {
		t.Errorf("results are %+v", r)
	}
}

// TestFirst: what the user gives comes first and once; what an earlier search knows is not tried
// again and is shown to the algorithm.
func TestFirst(t *testing.T) {
	s := parseSpace(t, "a: [1, 2, 3, 4]\n")
	at := func(x float64) space.Point { return space.NewPoint(space.Setting{Name: "a", Value: space.Number(x)}) }
	known := []Result{{Trial: 7, Point: at(1), State: Done, Values: []float64{1}}}
	spy := &spy{Algorithm: NewRandom(s, 1)}
	p, err := NewPlanner(Plan{Space: s, Algorithm: spy, Lag: 1, First: []space.Point{at(3), at(2), at(3)}, Known: known})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for task, ok := p.Next(); ok; task, ok = p.Next() {
		order = append(order, task.Point.String())
	}
	if got := strings.Join(order, ""); got != `{"a":3}{"a":2}{"a":4}` {
		t.Errorf("tried are %s", got)
	}
	if r := spy.seen[0]; r.Trial != 0 || r.State != Done || r.Point.Digest() != at(1).Digest() {
		t.Errorf("the algorithm sees %+v of the earlier search", r)
	}
	for want, plan := range map[string]Plan{
		"point 1 to start with: a: 9 is not in the space": {Space: s, Algorithm: spy, Lag: 1, First: []space.Point{at(9)}},
		"lag 0":                             {Space: s, Algorithm: spy},
		"must rise":                         {Space: s, Algorithm: spy, Lag: 1, Rungs: Rungs{Resource: []int{2, 2}, Eta: 2, Cohort: 4}},
		"keep every trial":                  {Space: s, Algorithm: spy, Lag: 1, Rungs: Rungs{Resource: []int{1, 2}, Eta: 1, Cohort: 4}},
		"a cohort of 0":                     {Space: s, Algorithm: spy, Lag: 1, Rungs: Rungs{Resource: []int{1, 2}, Eta: 2}},
		"-1 trials: a number above 0, or 0": {Space: s, Algorithm: spy, Lag: 1, Trials: -1},
	} {
		if _, err := NewPlanner(plan); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestKnown: an earlier search takes the place of the random trials at the start.
func TestKnown(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	known := history(s, 1)
	p, err := NewPlanner(Plan{Space: s, Algorithm: NewTPE(s, 9), Lag: 1, Trials: 2, Known: known})
	if err != nil {
		t.Fatal(err)
	}
	task, _ := p.Next()
	if want, _ := NewTPE(s, 9).Propose(len(known), known); task.Trial != 0 || task.Point.Digest() != want.Digest() {
		t.Errorf("trial %d is %s, which does not follow from the earlier search", task.Trial, task.Point)
	}
	if _, ok := p.Next(); ok {
		t.Error("the second proposal does not wait for the first")
	}
}

// TestPrior: the prior changes the order of the blind proposals and nothing else.
func TestPrior(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	run := func(prior func(space.Point) float64) []space.Point {
		p, err := NewPlanner(Plan{Space: s, Algorithm: NewTPE(s, 4), Trials: 10, Lag: 1, Prior: prior})
		if err != nil {
			t.Fatal(err)
		}
		var out []space.Point
		for task, ok := p.Next(); ok; task, ok = p.Next() {
			out = append(out, task.Point)
		}
		return out
	}
	plain, ordered := run(nil), run(func(p space.Point) float64 { return -mixed(p) })
	if !slices.IsSortedFunc(ordered, func(a, b space.Point) int { return int(math.Copysign(1, mixed(a)-mixed(b))) }) {
		t.Error("the points do not come in the order of the prior")
	}
	same := func(p space.Point) bool {
		return slices.ContainsFunc(plain, func(q space.Point) bool { return p.Digest() == q.Digest() })
	}
	if len(ordered) != 10 || slices.ContainsFunc(ordered, func(p space.Point) bool { return !same(p) }) {
		t.Error("the prior changed the points")
	}
}

// BenchmarkPlanner is what the planner takes for one trial of a long search.
func BenchmarkPlanner(b *testing.B) {
	s := parseSpace(b, mixedSpace)
	for _, name := range Names {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				a, err := New(name, s, 1)
				if err != nil {
					b.Fatal(err)
				}
				p, err := NewPlanner(Plan{Space: s, Algorithm: a, Trials: 3000, Lag: 100, Rungs: Halving(1, 9, 3)})
				if err != nil {
					b.Fatal(err)
				}
				for task, ok := p.Next(); ok; task, ok = p.Next() {
					p.Report(task.Trial, task.Rung, outcome(task, 1), 0)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/3000*1e3, "ms/trial")
		})
	}
}

// TestReplay: the same calls give the same tasks, with Async too: so a search is resumed.
func TestReplay(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	for _, async := range []bool{false, true} {
		plan := Plan{Space: s, Algorithm: NewTPE(s, 3), Trials: 40, Lag: 3, Rungs: Halving(1, 4, 2), Async: async}
		p, err := NewPlanner(plan)
		if err != nil {
			t.Fatal(err)
		}
		q, _ := NewPlanner(plan)
		r := rand.New(rand.NewPCG(1, 1))
		var running []Task
		for !p.Finished() {
			if r.IntN(2) == 0 || len(running) == 0 {
				task, ok := p.Next()
				again, okAgain := q.Next()
				if ok != okAgain || !reflect.DeepEqual(task, again) {
					t.Fatalf("async %v: %+v and %+v", async, task, again)
				}
				if ok {
					running = append(running, task)
				}
				continue
			}
			i := r.IntN(len(running))
			task := running[i]
			running = slices.Delete(running, i, i+1)
			for _, p := range []*Planner{p, q} {
				p.Report(task.Trial, task.Rung, outcome(task, 1), 0)
			}
		}
		if !reflect.DeepEqual(p.Results(), q.Results()) {
			t.Fatal("the results differ")
		}
	}
}

// TestEqual: of trials with the same value those of the smaller loss go on, and of these the earlier.
func TestEqual(t *testing.T) {
	s := parseSpace(t, mixedSpace)
	for _, c := range []struct {
		losses []float64
		want   []int
	}{
		{[]float64{4, 2, 3, 1}, []int{1, 3}},
		{[]float64{1, 1, 1, 1}, []int{0, 1}},
		{[]float64{2, 1, 1, 1}, []int{1, 2}},
	} {
		p, err := NewPlanner(Plan{Space: s, Algorithm: NewRandom(s, 1), Trials: 4, Lag: 4, Rungs: Rungs{Resource: []int{1, 2}, Eta: 2, Cohort: 4}})
		if err != nil {
			t.Fatal(err)
		}
		for range c.losses {
			p.Next()
		}
		for i, loss := range c.losses {
			p.Report(i, 0, []float64{-0.9}, loss)
		}
		var got []int
		for {
			task, ok := p.Next()
			if !ok {
				break
			}
			got = append(got, task.Trial)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("losses %v: trials %v go on, want %v", c.losses, got, c.want)
		}
		if best := Best(p.Results(), 1); c.losses[best[0].Trial] != slices.Min(c.losses) {
			t.Errorf("losses %v: the best is trial %d", c.losses, best[0].Trial)
		}
	}
	several := []Result{{State: Done, Values: []float64{1, 3}, Loss: 0}, {State: Done, Values: []float64{2, 4}, Loss: -1}}
	if got := order(several, 1); !slices.Equal(got, []int{0}) {
		t.Errorf("with two objectives the loss decides: %v", got)
	}
}
