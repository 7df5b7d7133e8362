package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// Plan says how a search goes.
type Plan struct {
	Space     *space.Space
	Algorithm Algorithm
	Trials    int           // how many at most; 0: until the space holds no more, or Stop
	First     []space.Point // what is tried first; a point that stands twice is tried once
	Known     []Result      // of an earlier search, which this one goes on from: no proposal repeats them
	Lag       int           // proposal n sees the results of the trials up to n-Lag; at least 1
	Rungs     Rungs         // how far trials go; none: every trial goes all the way
	Async     bool          // every result counts as soon as it is known, so chance decides

	// Prior scores a point without running it, larger for the more promising. It orders the
	// proposals that depend on no results, and nothing else: none is dropped or changed. It may be
	// nil.
	Prior func(space.Point) float64
}

// Task is one piece of work: a trial, from where it stands to the end of a rung.
type Task struct {
	Trial    int
	Point    space.Point
	Rung     int
	From, To int // what the trial has used of the resource before, and after; 0 and 0 without rungs
}

// Planner says which task may start next, and takes results in any order. It is a state machine:
// the same calls give the same answers, so a search is resumed by repeating its calls. Without
// Async even the order of calls does not matter: any number of workers runs the same tasks.
// It is not safe for use by many goroutines at once.
//
// What proposal n sees is fixed by n. The result of trial i on the lowest rung counts from n = i+Lag
// on. Those of the rung r above count once r further cohorts and the lag have been proposed: a rung
// takes about as long as one cohort on the lowest. Before that a trial shows what it has reached,
// and a trial without a result is Running.
type Planner struct {
	plan    Plan
	trials  []*trial
	known   []Result
	buffer  []Result      // what the last proposal saw
	sorted  []space.Point // proposals ordered by Prior, from trial len(First) on
	ready   []Task        // promotions that may start
	ended   bool          // nothing more is proposed
	running int
	low     int // every trial before this one has a result on the lowest rung
	cohorts []*cohort
	whole   []int // by rung: every cohort before this one has decided it
}

// trial is what the planner knows of one trial.
type trial struct {
	point    space.Point
	started  int         // rungs started
	promoted int         // the highest rung that it may start
	values   [][]float64 // by rung; nil where it failed
	losses   []float64   // by rung
	failed   bool
}

// NewPlanner checks the plan and returns its planner.
func NewPlanner(plan Plan) (*Planner, error) {
	if plan.Lag < 1 {
		return nil, fmt.Errorf("search: lag %d: a proposal can see the trial before it at most, so 1 is the least", plan.Lag)
	}
	if err := plan.Rungs.check(); err != nil {
		return nil, err
	}
	if plan.Trials < 0 {
		return nil, fmt.Errorf("search: %d trials: a number above 0, or 0 for no limit", plan.Trials)
	}
	if plan.Rungs.count() == 1 {
		plan.Rungs.Eta, plan.Rungs.Cohort = 2, 1 // nothing is compared
	}
	p := &Planner{plan: plan, whole: make([]int, plan.Rungs.count())}
	var first []space.Point
	for i, point := range plan.First {
		if err := plan.Space.Check(point); err != nil {
			return nil, fmt.Errorf("search: point %d to start with: %w", i+1, err)
		}
		if !slices.ContainsFunc(first, func(q space.Point) bool { return q.Digest() == point.Digest() }) {
			first = append(first, point)
		}
	}
	p.plan.First = first
	p.known = slices.Clone(plan.Known)
	for i := range p.known {
		p.known[i].Trial = i
	}
	p.sortBlind()
	return p, nil
}

// Next returns a task that may start, and false where none may before a result comes in. Trials
// that go on stand before new ones.
func (p *Planner) Next() (Task, bool) {
	if len(p.ready) > 0 {
		t := p.ready[0]
		p.ready = p.ready[1:]
		return p.start(t), true
	}
	n := len(p.trials)
	if p.ended || !p.plan.Async && !p.visible(n) {
		return Task{}, false
	}
	point, ok := p.propose(n)
	if !ok {
		p.end()
		return p.Next()
	}
	p.trials = append(p.trials, &trial{point: point})
	if !p.plan.Async {
		p.enter(n)
	}
	task := p.start(p.plan.Rungs.task(n, point, 0))
	if len(p.trials) == p.plan.Trials {
		p.end()
	}
	return task, true
}

func (p *Planner) start(t Task) Task {
	p.trials[t.Trial].started = t.Rung + 1
	p.running++
	return t
}

// Report gives the result of a task: a value for each objective, nil where it failed, and the loss,
// see Result. A value that is not finite is a failure too. It returns false for a task that does not
// run, as one that was reported before, and changes nothing then.
func (p *Planner) Report(number, rung int, values []float64, loss float64) bool {
	if number < 0 || number >= len(p.trials) {
		return false
	}
	t := p.trials[number]
	if rung != len(t.values) || rung >= t.started || t.failed {
		return false
	}
	if slices.ContainsFunc(values, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }) {
		values = nil
	}
	t.values, t.losses = append(t.values, values), append(t.losses, loss)
	t.failed = len(values) == 0
	p.running--
	if p.plan.Async {
		p.promoteAsync()
	} else {
		p.advance(number)
	}
	return true
}

// Over reports that a trial does not go on, so that what was kept to train it further may go. With
// Async a trial may be taken up again as long as the search runs.
func (p *Planner) Over(number int) bool {
	t := p.trials[number]
	rungs := len(t.values)
	switch {
	case rungs < t.started:
		return false
	case t.failed || rungs == p.plan.Rungs.count() || p.Finished():
		return true
	}
	return !p.plan.Async && t.promoted < rungs && p.cohorts[number/p.plan.Rungs.Cohort].rung >= rungs
}

// Stop ends the proposals: trials that run may finish, and their cohorts are decided.
func (p *Planner) Stop() { p.end() }

// Finished reports that nothing runs and nothing can start.
func (p *Planner) Finished() bool {
	return p.ended && p.running == 0 && len(p.ready) == 0
}

// Results lists what is known of every trial, by its number: the values of the highest rung that
// it has finished.
func (p *Planner) Results() []Result {
	out := make([]Result, len(p.trials))
	for i := range p.trials {
		out[i] = p.result(i, math.MaxInt)
	}
	return out
}

// result is what a trial shows of its rungs up to rung, none for -1.
func (p *Planner) result(i, rung int) Result {
	t := p.trials[i]
	r := Result{Trial: i, Point: t.point}
	rung = min(rung, len(t.values)-1)
	if rung < 0 {
		return r
	}
	r.State, r.Rung, r.Values, r.Loss = Done, rung, t.values[rung], t.losses[rung]
	if r.Values == nil {
		r.State = Failed
	}
	return r
}

// propose returns the point of trial n.
func (p *Planner) propose(n int) (space.Point, bool) {
	if n < len(p.plan.First) {
		return p.plan.First[n], true
	}
	if at := n - len(p.plan.First); at < len(p.sorted) {
		return p.sorted[at], true
	}
	return p.plan.Algorithm.Propose(len(p.known)+n, p.seen(n))
}

// blind says whether proposal n depends on no results. To the algorithm, the trials of an earlier
// search come before those of this one.
func (p *Planner) blind(n int) bool { return p.plan.Algorithm.Blind(len(p.known) + n) }

// seen is what proposal n sees.
func (p *Planner) seen(n int) []Result {
	out := append(p.buffer[:0], p.known...)
	blind := p.blind(n)
	for i := range n {
		rung := -1
		switch {
		case p.plan.Async:
			rung = math.MaxInt
		case !blind:
			rung = p.plan.Rungs.shown(i, n, p.plan.Lag)
		}
		r := p.result(i, rung)
		r.Trial += len(p.known)
		out = append(out, r)
	}
	p.buffer = out
	return out
}

// visible reports that all that proposal n sees has come in.
func (p *Planner) visible(n int) bool {
	if n < len(p.plan.First)+len(p.sorted) || p.blind(n) {
		return true
	}
	if p.low <= n-p.plan.Lag {
		return false
	}
	for r := 1; r < p.plan.Rungs.count(); r++ {
		if p.whole[r] < p.plan.Rungs.cohortsShown(r, n, p.plan.Lag) {
			return false
		}
	}
	return true
}
