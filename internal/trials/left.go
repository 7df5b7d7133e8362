package trials

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/search"
)

// pace is how long a task took for its counted work.
type pace struct{ work, seconds float64 }

// paces lists the tasks of a record, with the work of each by its share of the trial's epochs.
func (r *Record) paces() []pace {
	var out []pace
	before := map[int]float64{} // seconds of the trial's earlier tasks
	for _, e := range r.Results() {
		if e.Failed() || e.Outcome.Work == 0 {
			continue
		}
		share := 1.0
		if rungs := r.Header.Rungs; len(rungs) > 0 {
			share = float64(rungs[e.Rung]) / 100
			if e.Rung > 0 {
				share -= float64(rungs[e.Rung-1]) / 100
			}
		}
		out = append(out, pace{e.Outcome.Work * share, e.Outcome.Seconds - before[e.Trial]})
		before[e.Trial] = e.Outcome.Seconds
	}
	return out
}

// left is the seconds of computing that are left of a search: the work of so many trials, of the
// mean of those before, at the median pace. The median leaves out what the first trial at a frontier
// takes for values that the others find. It is false while nothing is known.
func (r *Record) left(rungs search.Rungs) (seconds float64, ok bool) {
	all := r.paces()
	if len(all) == 0 {
		return 0, false
	}
	mean, tried := 0.0, 0
	failed := 0
	for _, e := range r.Trials() {
		if e.Failed() {
			failed++
			continue
		}
		mean += e.Outcome.Work
		tried++
	}
	mean /= float64(tried)
	total := mean * rungs.Share() * float64(r.Header.Trials-failed)
	slices.SortFunc(all, func(a, b pace) int { return cmp.Compare(a.seconds*b.work, b.seconds*a.work) })
	done := 0.0
	for _, p := range all {
		done += p.work
	}
	half, at := done/2, 0.0
	for _, p := range all {
		if at += p.work; at >= half {
			return max(0, total-done) * p.seconds / p.work, true
		}
	}
	return 0, false
}

// Left estimates the seconds that the search still takes, while so many tasks run at a time. It is
// false while nothing is known.
func (s *Search) Left(tasks int) (seconds float64, ok bool) {
	seconds, ok = s.Record().left(s.plan.Rungs)
	seconds /= float64(max(1, tasks))
	if b := s.o.Budget.Seconds(); ok && b > 0 {
		seconds = min(seconds, max(0, b-s.Record().spent()))
	}
	return seconds, ok
}

// spent is the seconds of all tasks.
func (r *Record) spent() float64 {
	sum := 0.0
	for _, p := range r.paces() {
		sum += p.seconds
	}
	return sum
}

// Over reports whether a trial goes no further.
func (s *Search) Over(trial int) bool { return s.planner.Over(trial) }
