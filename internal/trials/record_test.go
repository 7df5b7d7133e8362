package trials

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// TestRecord: the first result of a task counts, the highest rung of a trial, and what has started
// without a result runs.
func TestRecord(t *testing.T) {
	s, err := space.Parse([]byte("lr: [0.1, 0.2, 0.3, 0.4]\n"), Known(nil))
	must(t, err)
	point := func(x float64) space.Point {
		return space.NewPoint(space.Setting{Name: "lr", Value: space.Number(x)})
	}
	of := func(score float64) *Outcome { return &Outcome{Score: score} }
	c := config.DefaultConfig()
	c.Patience = 3
	options, err := c.YAML()
	must(t, err)
	r := &Record{Space: s, Header: Header{Rungs: []int{50, 100}, Objectives: []Objective{Accuracy}, Trials: 4, Options: string(options)}, Entries: []Entry{
		{Trial: 0, Point: point(0.1)}, {Trial: 1, Point: point(0.2)},
		{Trial: 1, Point: point(0.2), Outcome: of(0.9)}, {Trial: 1, Point: point(0.2), Outcome: of(0.1)},
		{Trial: 0, Point: point(0.1), Outcome: of(0.7)},
		{Trial: 1, Rung: 1, Point: point(0.2)}, {Trial: 1, Rung: 1, Point: point(0.2), Outcome: of(0.8)},
		{Trial: 2, Point: point(0.3), Outcome: &Outcome{Failed: "why"}},
		{Trial: 3, Point: point(0.4)}, {Trial: 3, Point: point(0.4)},
	}}
	var got []string
	for _, e := range r.Trials() {
		got = append(got, fmt.Sprint(e.Trial, e.Rung, " ", e.Outcome.Score, " ", r.Whole(e)))
	}
	if want := "0 0 0.7 false|1 1 0.8 true|2 0 0 false"; strings.Join(got, "|") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if run := r.Running(); len(run) != 1 || run[0].Trial != 3 {
		t.Errorf("%v run", run)
	}
	if b, err := r.Best(); err != nil || b.Trial != 1 || len(r.Pareto()) != 1 {
		t.Errorf("best %v (%v), front %v", b, err, r.Pareto())
	}
	if cfg, err := r.Replay(3); err != nil || cfg.LR != 0.4 || cfg.Keep != "last" || cfg.Patience != 0 {
		t.Errorf("%+v (%v)", cfg, err)
	}
	if _, err := r.Replay(4); err == nil {
		t.Error("trial 4 does not exist")
	}
	r.Final = &Final{}
	if len(r.Running()) > 0 {
		t.Error("a search that has ended runs")
	}
}

// TestLeft: the first trial at a frontier, which computes its values, does not lengthen the others.
func TestLeft(t *testing.T) {
	rungs := search.Rungs{Resource: []int{25, 50, 100}, Eta: 2, Cohort: 8}
	r := &Record{Header: Header{Trials: 8, Rungs: rungs.Resource}}
	if _, ok := r.left(rungs); ok {
		t.Error("nothing is known")
	}
	for i := range 4 {
		o := &Outcome{Work: 100, Seconds: 2.5}
		if i == 0 {
			o.Seconds = 60
		}
		r.Entries = append(r.Entries, Entry{At: time.Now(), Trial: i, Outcome: o})
	}
	// 8 trials take half of their work on average, 400 in all; 100 are done, a tenth of a second each
	if got, ok := r.left(rungs); !ok || math.Abs(got-30) > 1e-9 {
		t.Errorf("%g s left, want 30", got)
	}
	if s := rungs.Share(); s != 0.5 {
		t.Errorf("a trial takes %g of its work", s)
	}
	if s := (search.Rungs{}).Share(); s != 1 {
		t.Errorf("a trial without rungs takes %g of its work", s)
	}
}
