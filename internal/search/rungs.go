package search

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// Rungs is successive halving (Jamieson, Talwalkar 2016, Non-stochastic best arm identification and
// hyperparameter optimization, section 3): all trials of a cohort go to the first rung, the best
// 1/Eta of them on to the next, and so on. Cohorts are fixed, Cohort trials in the order of their
// numbers, and a rung is decided when all of a cohort that reached it have reported; so the
// decision depends on no timing. With Plan.Async there are no cohorts, see promoteAsync.
//
// The zero value has one rung: every trial goes all the way at once.
type Rungs struct {
	Resource []int // what a trial has used at the end of each rung, rising: epochs
	Eta      int   // one of Eta trials goes on, at least one of a cohort; 2 or more
	Cohort   int   // trials that are compared with each other
}

// Halving returns rungs from least to most of a resource, each eta times the one below, and the
// smallest cohort of which one trial gets to the top.
func Halving(least, most, eta int) Rungs {
	r := Rungs{Eta: eta, Cohort: 1}
	for x := most; ; x /= eta {
		r.Resource = append([]int{x}, r.Resource...)
		if eta < 2 || x/eta < max(least, 1) {
			return r
		}
		r.Cohort *= eta
	}
}

func (r Rungs) check() error {
	switch {
	case len(r.Resource) == 0:
		return nil
	case r.Resource[0] < 1 || !slices.IsSorted(r.Resource) || len(slices.Compact(slices.Clone(r.Resource))) < len(r.Resource):
		return fmt.Errorf("search: rungs %v must rise from 1 or more", r.Resource)
	case r.Eta < 2:
		return fmt.Errorf("search: rungs with eta %d keep every trial: 2 is the least", r.Eta)
	case r.Cohort < 1:
		return fmt.Errorf("search: a cohort of %d trials: 1 is the least", r.Cohort)
	}
	return nil
}

func (r Rungs) count() int { return max(1, len(r.Resource)) }

// Share is how much of a whole trial one of many takes on average, as most of them stop early.
func (r Rungs) Share() float64 {
	if r.count() == 1 {
		return 1
	}
	used, before, on := 0.0, 0, 1.0
	for _, to := range r.Resource {
		used += on * float64(to-before)
		before, on = to, on/float64(r.Eta)
	}
	return used / float64(before)
}

// task is the work of a trial on a rung.
func (r Rungs) task(n int, point space.Point, rung int) Task {
	t := Task{Trial: n, Point: point, Rung: rung}
	if rung < len(r.Resource) {
		t.To = r.Resource[rung]
	}
	if rung > 0 {
		t.From = r.Resource[rung-1]
	}
	return t
}

// cohortsShown counts the cohorts whose results on a rung above the lowest proposal n sees.
func (r Rungs) cohortsShown(rung, n, lag int) int {
	return max(0, (n+1-lag)/r.Cohort-rung)
}

// shown is the highest rung of trial i that proposal n sees, -1 for none.
func (r Rungs) shown(i, n, lag int) int {
	if i > n-lag {
		return -1
	}
	rung := 0
	for rung+1 < r.count() && i/r.Cohort < r.cohortsShown(rung+1, n, lag) {
		rung++
	}
	return rung
}

// cohort is a group of trials that are compared with each other.
type cohort struct {
	rung    int   // the rung that its trials are on; beyond the top once all is decided
	trials  []int // that reached the rung
	waiting int   // of these, how many have not reported
}

// enter puts a new trial into its cohort.
func (p *Planner) enter(n int) {
	if n%p.plan.Rungs.Cohort == 0 {
		p.cohorts = append(p.cohorts, &cohort{})
	}
	c := p.cohorts[len(p.cohorts)-1]
	c.trials = append(c.trials, n)
	c.waiting++
}

// advance takes in the result of a trial: it may decide the rung of its cohort.
func (p *Planner) advance(n int) {
	for p.low < len(p.trials) && len(p.trials[p.low].values) > 0 {
		p.low++
	}
	c := p.cohorts[n/p.plan.Rungs.Cohort]
	c.waiting--
	p.decide(c)
}

// decide lets the best of a cohort go on, where all that reached its rung have reported.
func (p *Planner) decide(c *cohort) {
	if c.waiting > 0 || c.rung == 0 && len(c.trials) < p.plan.Rungs.Cohort && !p.ended {
		return
	}
	var in []Result
	for _, n := range c.trials {
		if r := p.result(n, c.rung); r.State == Done {
			in = append(in, r)
		}
	}
	on := max(1, len(c.trials)/p.plan.Rungs.Eta)
	c.rung++
	c.trials = nil
	if len(in) == 0 || c.rung == p.plan.Rungs.count() {
		c.rung = p.plan.Rungs.count() + 1
	} else {
		for _, i := range order(in, on) {
			c.trials = append(c.trials, in[i].Trial)
			p.promote(in[i].Trial, c.rung)
		}
		c.waiting = len(c.trials)
	}
	for r := range p.whole {
		for p.whole[r] < len(p.cohorts) && p.cohorts[p.whole[r]].rung > r {
			p.whole[r]++
		}
	}
}

// end stops the proposals. The last cohort is decided though it is not full.
func (p *Planner) end() {
	if p.ended {
		return
	}
	p.ended = true
	if len(p.cohorts) > 0 {
		if c := p.cohorts[len(p.cohorts)-1]; c.rung == 0 {
			p.decide(c)
		}
	}
	if p.plan.Async {
		p.promoteAsync()
	}
}

// promote lets a trial go on to a rung. Higher rungs start first, and within one older trials.
func (p *Planner) promote(n, rung int) {
	p.trials[n].promoted = rung
	t := p.plan.Rungs.task(n, p.trials[n].point, rung)
	at, _ := slices.BinarySearchFunc(p.ready, t, func(a, b Task) int {
		if a.Rung != b.Rung {
			return b.Rung - a.Rung
		}
		return a.Trial - b.Trial
	})
	p.ready = slices.Insert(p.ready, at, t)
}
