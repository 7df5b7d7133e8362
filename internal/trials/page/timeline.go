package page

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// span is the time that a task took on a worker.
type span struct {
	trial    int
	worker   string
	from, to time.Time
	running  bool
}

// spans pairs the starts of a record with the results. A start that has no result, since the
// process was stopped and the task run again, has no span.
func spans(r *trials.Record) []span {
	began := map[[2]int]trials.Entry{}
	var out []span
	for _, e := range r.Entries {
		key := [2]int{e.Trial, e.Rung}
		switch {
		case e.Final != nil:
		case e.Outcome == nil:
			began[key] = e
		case e.Began != nil: // on a worker, whose clock tells how long it took
			out = append(out, span{trial: e.Trial, worker: e.Worker, from: *e.Began, to: e.At})
			delete(began, key)
		default:
			if b, ok := began[key]; ok {
				out = append(out, span{trial: e.Trial, worker: b.Worker, from: b.At, to: e.At})
				delete(began, key)
			}
		}
	}
	if n := len(r.Entries); n > 0 {
		for _, e := range r.Running() {
			out = append(out, span{e.Trial, e.Worker, e.At, r.Entries[n-1].At, true})
		}
	}
	slices.SortStableFunc(out, func(a, b span) int { return a.from.Compare(b.from) })
	return out
}

// clock counts the seconds in which something ran: a search that was stopped and resumed later has
// no gap of a night in its timeline.
type clock struct {
	began  []time.Time // of each stretch
	before []float64   // seconds of the stretches before it
}

// pause is the time without a task from which a search counts as stopped.
const pause = 30 * time.Second

func newClock(all []span) (c clock, total float64) {
	var end time.Time
	for _, s := range all {
		if len(c.began) == 0 || s.from.Sub(end) > pause {
			if len(c.began) > 0 {
				total += end.Sub(c.began[len(c.began)-1]).Seconds()
			}
			c.began, c.before = append(c.began, s.from), append(c.before, total)
			end = s.to
		}
		if s.to.After(end) {
			end = s.to
		}
	}
	if n := len(c.began); n > 0 {
		total = c.before[n-1] + end.Sub(c.began[n-1]).Seconds()
	}
	return c, total
}

func (c clock) at(t time.Time) float64 {
	i := len(c.began) - 1
	for i > 0 && t.Before(c.began[i]) {
		i--
	}
	return c.before[i] + t.Sub(c.began[i]).Seconds()
}

// timeline draws the tasks of each worker. It is nil where nothing has started.
func timeline(r *trials.Record, all []*trial) *chart.Plot {
	tasks := spans(r)
	if len(tasks) == 0 {
		return nil
	}
	var workers []string
	for _, s := range tasks {
		if !slices.Contains(workers, s.worker) {
			workers = append(workers, s.worker)
		}
	}
	slices.Sort(workers)
	c, total := newClock(tasks)
	const left, right, each = 110.0, 14.0, 24.0
	bottom := each*float64(len(workers)) + 6
	p := &chart.Plot{Width: 900, Height: bottom + 42, About: fmt.Sprintf("When each of %d tasks ran, on %d workers, over %s.", len(tasks), len(workers), chart.Seconds(total))}
	x := chart.Axis{High: max(total, 1e-3), Text: chart.Seconds, Time: true}.Between(left, p.Width-right)
	for _, t := range x.Ticks(8) {
		p.Line("grid", t.At, 0, t.At, bottom)
		p.Write("tick", "middle", t.At, bottom+16, t.Text, 12)
	}
	for i, began := range c.began {
		if i > 0 {
			p.Line("pause", x.At(c.at(began)), 0, x.At(c.at(began)), bottom)
		}
	}
	for i, w := range workers {
		if w == "" {
			w = "this process"
		}
		p.Write("tick", "end", left-8, each*float64(i)+each/2+7, w, 15)
	}
	states := map[int]string{}
	for _, t := range all {
		states[t.entry.Trial] = t.state
		if t.best {
			states[t.entry.Trial] += " best"
		}
	}
	for _, s := range tasks {
		state := states[s.trial]
		if s.running {
			state = running
		}
		from, to := x.At(c.at(s.from)), x.At(c.at(s.to))
		y := each*float64(slices.Index(workers, s.worker)) + 4
		p.Path("task "+state, fmt.Sprint(s.trial), chart.Rectangle(from, y, math.Max(to-from-0.5, 1), each-6))
	}
	p.Write("label", "middle", (left+p.Width-right)/2, bottom+36, "time, without pauses", 40)
	return p
}
