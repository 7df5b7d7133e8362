package page

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart/charttest"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const small = `
thaw: [head, "last:1", "last:2", all]
lr: {log: [1e-4, 1e-2]}
`

const large = `
thaw: [head, "last:1", "last:2", "last:4", "last:8", all]
head: [linear, "mlp:64", "mlp:256"]
optimizer: [adamw, sgd]
momentum: {float: [0.5, 0.99], when: {optimizer: sgd}}
lr: {log: [1e-5, 1e-1]}
weight_decay: {log: [1e-3, 1e-1]}
adapter: ["", "lora:4", "lora:16"]
adapter_alpha: {int: [1, 32], when: {adapter: ["lora:4", "lora:16"]}}
epochs: [5, 10, 20]
`

// made is a search whose trials are made up: what they measure is a function of their options.
type made struct {
	space      string
	trials     int
	workers    int
	objectives []trials.Objective
	rungs      search.Rungs
	metric     string
	model      string
	stopped    int // after so many results; 0: the search ends
}

// record runs the search by its planner and returns what its log would say.
func (m made) record(t *testing.T) *trials.Record {
	t.Helper()
	s, err := space.Parse([]byte(m.space), trials.Known(nil))
	must(t, err)
	algorithm, err := search.New("tpe", s, 1)
	must(t, err)
	p, err := search.NewPlanner(search.Plan{Space: s, Algorithm: algorithm, Trials: m.trials, Lag: 8, Rungs: m.rungs})
	must(t, err)
	c := config.DefaultConfig()
	c.Model, c.Data = m.model, "photos"
	options, err := c.YAML()
	must(t, err)
	r := &trials.Record{Space: s, Header: trials.Header{Version: 1, Tool: "test", Space: string(s.YAML()), Options: string(options), Algorithm: "tpe", Objectives: m.objectives,
		Trials: m.trials, Lag: 8, Rungs: m.rungs.Resource, Metric: m.metric, Parts: 2, Examples: 240, HeldOut: 98, Notes: []string{"weights are trained"}}}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	free := make([]time.Duration, m.workers)
	for n := 0; m.stopped == 0 || n < m.stopped; n++ {
		task, ok := p.Next()
		if !ok {
			break
		}
		w := n % m.workers
		e := trials.Entry{At: at.Add(free[w]), Trial: task.Trial, Rung: task.Rung, Point: task.Point}
		if m.workers > 1 {
			e.Worker = fmt.Sprintf("worker-%d", w)
		}
		r.Entries = append(r.Entries, e)
		o := measured(task, m)
		free[w] += time.Duration(o.Seconds * float64(time.Second))
		e.At, e.Outcome = at.Add(free[w]), &o
		r.Entries = append(r.Entries, e)
		var values []float64
		for _, goal := range m.objectives {
			if o.Failed == "" {
				values = append(values, goal.Value(&o))
			}
		}
		p.Report(task.Trial, task.Rung, values, 0)
	}
	if m.stopped == 0 {
		best, err := r.Best()
		must(t, err)
		r.Final = &trials.Final{Accuracy: 0.91, Seconds: 1234, Metric: best.Outcome.Metric}
	}
	return r
}

func measured(t search.Task, m made) trials.Outcome {
	u := func(name string, otherwise float64) float64 {
		v, ok := t.Point.Get(name)
		if !ok {
			return otherwise
		}
		if x, ok := v.Float(); ok {
			return x
		}
		return float64(len(v.String()) % 7)
	}
	if t.Trial%17 == 11 {
		return trials.Outcome{Failed: "its loss became infinite or not a number", Seconds: 3}
	}
	off := math.Log10(u("lr", 1e-3)) + 3
	score := 0.95 - 0.08*off*off - 0.01*u("thaw", 0) + 0.02*math.Sin(float64(t.Trial))
	if t.To > 0 {
		score -= 0.1 * (1 - float64(t.To)/100)
	}
	score = max(score, 0.1)
	o := trials.Outcome{Score: score, Loss: 1 - score, Epochs: max(1, t.To/10), Seconds: 4 + 3*u("thaw", 0), ParamsTotal: 270_000 + 90_000*int(u("head", 0)), ParamsThawed: 1000 << int(u("thaw", 0)),
		Bytes: 1 << 20, LatencyMS: 3 + u("head", 0), LR: u("lr", 1e-3)}
	if m.metric == "rmse" {
		v := 10 * (1 - score)
		o.Score, o.Metric = -v, &task.Named{Name: "rmse", Value: &v}
	}
	return o
}

var searches = map[string]made{
	"small": {space: small, trials: 12, workers: 1, objectives: []trials.Objective{trials.Accuracy}, metric: "accuracy", model: "resnet20.onnx"},
	"large": {space: large, trials: 300, workers: 4, objectives: []trials.Objective{trials.Accuracy, trials.Params, trials.Latency}, metric: "accuracy", model: "resnet20.onnx",
		rungs: search.Rungs{Resource: []int{25, 50, 100}, Eta: 2, Cohort: 8}},
	"numbers": {space: small, trials: 30, workers: 2, objectives: []trials.Objective{trials.Accuracy}, metric: "rmse", model: "net.onnx"},
	"stopped": {space: small, trials: 40, workers: 1, objectives: []trials.Objective{trials.Accuracy}, metric: "accuracy", model: "net.onnx", stopped: 3},
	"begun":   {space: small, trials: 40, workers: 1, objectives: []trials.Objective{trials.Accuracy}, metric: "accuracy", model: "net.onnx", stopped: -1},
	"hostile": {space: "thaw: [head, \"<script>alert(1)</script>\", \"\\\" onload=\\\"x\"]\n", trials: 3, workers: 1, objectives: []trials.Objective{trials.Accuracy}, metric: "accuracy",
		model: "</title><script>alert(2)</script>.onnx"},
}

// TestPage: every kind of search has a page that is well formed, needs no network, and lists all of
// its trials.
func TestPage(t *testing.T) {
	for name, m := range searches {
		t.Run(name, func(t *testing.T) {
			if m.stopped < 0 {
				m.trials, m.stopped = 40, 1
				r := m.record(t)
				r.Entries = r.Entries[:1]
				check(t, r, name)
				return
			}
			check(t, m.record(t), name)
		})
	}
}

func check(t *testing.T, r *trials.Record, name string) {
	t.Helper()
	var b bytes.Buffer
	must(t, Write(&b, r, "runs/<b>found & lost"))
	must(t, os.WriteFile(filepath.Join(t.ArtifactDir(), name+".html"), b.Bytes(), 0o644))
	rows, marks := 0, map[string]int{}
	for _, e := range charttest.Check(t, b.Bytes()) {
		switch {
		case e.Name == "tr" && e.Attr["data-t"] != "":
			rows++
		case e.Name == "path":
			marks[e.Attr["data-t"]]++
		}
	}
	want := r.Trials()
	if rows != len(want) {
		t.Errorf("%d rows for %d trials", rows, len(want))
	}
	for _, e := range want {
		if marks[fmt.Sprint(e.Trial)] < 3 {
			t.Errorf("trial %d has %d marks", e.Trial, marks[fmt.Sprint(e.Trial)])
		}
	}
}

// TestTimeline: a pause has no width, a task that was run again counts once, and one that runs is
// shown.
func TestTimeline(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	o := &trials.Outcome{}
	r := &trials.Record{Entries: []trials.Entry{
		{At: at(0), Trial: 0}, {At: at(10), Trial: 0, Outcome: o},
		{At: at(10), Trial: 1}, // the process ends here
		{At: at(9000), Trial: 1}, {At: at(9020), Trial: 1, Outcome: o},
		{At: at(9020), Trial: 2}, {At: at(9021), Trial: 3, Worker: "b"}, {At: at(9025), Trial: 3, Worker: "b", Outcome: o},
	}}
	all := spans(r)
	c, total := newClock(all)
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprint(s.trial, s.worker, " ", c.at(s.from), " ", c.at(s.to), " ", s.running))
	}
	want := "0 0 10 false|1 10 30 false|2 30 35 true|3b 31 35 false"
	if strings.Join(got, "|") != want || total != 35 {
		t.Errorf("%s over %g s, want %s", strings.Join(got, "|"), total, want)
	}
}
