package dash

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/compare"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// The kinds of what a folder can hold.
const (
	kindFit        = "fit"
	kindSearch     = "search"
	kindFederation = "federation"
	kindComparison = "comparison"
)

// stateRunning is the state of a run that goes on, beside those of package run.
const stateRunning = "running"

// item is what the list shows of a run.
type item struct {
	Path  string // below the folder of the runs
	Kind  string
	State string // of package run, stateRunning, or "damaged"
	Error string

	Model, Data, Task, Trains string

	Metric     float64 // NaN without one
	MetricName string
	Loss       float64 // NaN without one

	Done, Planned int // epochs; of a search trials, of a federation rounds
	Share         float64
	Seconds       float64
	Began         time.Time
	Touched       time.Time // of the last change
}

// itemOf describes a fit or a federation.
func itemOf(l *run.Listed) *item {
	i := &item{State: l.State, Error: l.Error, Model: base(l.Config.Model), Data: base(l.Config.Data), Task: l.Task, Metric: math.NaN(), Loss: math.NaN(),
		Done: l.Epochs, Planned: l.Planned, Seconds: l.Seconds, Began: l.Began}
	switch {
	case l.Accuracy != nil:
		i.Metric, i.MetricName = *l.Accuracy, "accuracy"
	case l.Metric != nil:
		i.MetricName = l.Metric.Name
		if l.Metric.Value != nil {
			i.Metric = *l.Metric.Value
		}
	}
	if l.Loss != nil {
		i.Loss = *l.Loss
	}
	if l.ParamsTotal > 0 {
		i.Share = float64(l.ParamsThawed) / float64(l.ParamsTotal)
	}
	trains := strings.Join(l.Config.Thaw, ",")
	for _, f := range l.Config.Freeze {
		trains += ",!" + f
	}
	trains = cmp.Or(strings.Trim(trains, ","), "head")
	if l.Config.Adapter != "" {
		trains += " + " + l.Config.Adapter
	}
	if l.Config.Schedule != "" {
		trains += ", " + l.Config.Schedule
	}
	i.Trains = trains
	return i
}

// searchItem describes a search.
func searchItem(p *place) *item {
	r, err := trials.ReadRecordFS(p.FS, p.out)
	if err != nil {
		return damaged(err)
	}
	i := &item{State: run.Unfinished, Metric: math.NaN(), Loss: math.NaN(), MetricName: r.Header.Metric, Done: len(r.Trials()), Planned: r.Header.Trials, Seconds: r.Seconds(), Trains: r.Header.Algorithm}
	if r.Final != nil {
		i.State = run.Done
	}
	if c, err := r.Config(); err == nil {
		i.Model, i.Data, i.Task = base(c.Model), base(c.Data), c.Task
	}
	if len(r.Entries) > 0 {
		i.Began = r.Entries[0].At
	}
	if best, err := r.Best(); err == nil {
		i.Metric, i.Loss = best.Outcome.Score, best.Outcome.Loss
		if m := best.Outcome.Metric; m != nil && m.Value != nil {
			i.Metric = *m.Value
		}
	}
	return i
}

// comparisonItem describes a comparison of plans.
func comparisonItem(p *place) *item {
	b, err := fs.ReadFile(p.FS, compare.File)
	c := &compare.Comparison{}
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		return damaged(err)
	}
	i := &item{State: run.Done, Model: base(c.Model), Data: base(c.Data), Metric: math.NaN(), Loss: math.NaN(), MetricName: c.Metric, Done: len(c.Plans), Planned: len(c.Plans)}
	for _, p := range c.Plans {
		i.Seconds += p.Seconds
		if p.Name == c.Best {
			i.Metric, i.Trains = p.Mean, p.Name
		}
	}
	return i
}

func damaged(err error) *item {
	return &item{State: "damaged", Error: err.Error(), Metric: math.NaN(), Loss: math.NaN()}
}

// base is the name of a model or of data, whatever system its path is of.
func base(p string) string {
	if p == "" {
		return ""
	}
	return path.Base(strings.ReplaceAll(p, `\`, "/"))
}

// The texts of a row.

func (i *item) ID() string   { return "r-" + hexOf(i.Path) }
func (i *item) Link() string { return link("/run/", i.Path) }

func (i *item) MetricText() string {
	if !chart.Finite(i.Metric) {
		return ""
	}
	return metricText(i.MetricName)(i.Metric)
}

func (i *item) MetricWord() string {
	if i.MetricName == "accuracy" {
		return ""
	}
	return strings.ReplaceAll(i.MetricName, "_", " ")
}

func (i *item) LossText() string {
	if !chart.Finite(i.Loss) {
		return ""
	}
	return chart.Number(i.Loss)
}

func (i *item) DoneText() string {
	switch {
	case i.State == "damaged":
		return ""
	case i.Kind == kindComparison:
		return fmt.Sprintf("%d plans", i.Done)
	case i.State == run.Done && i.Kind == kindFit:
		return fmt.Sprint(i.Done)
	}
	return fmt.Sprintf("%d/%d", i.Done, i.Planned)
}

func (i *item) ShareText() string {
	if i.Share == 0 {
		return ""
	}
	return chart.Percent(math.Round(i.Share*1e4) / 1e4)
}

func (i *item) TimeText() string {
	if i.Seconds == 0 {
		return ""
	}
	return chart.Seconds(i.Seconds)
}

func (i *item) When() string    { return whenText(i.Touched) }
func (i *item) WhenISO() string { return i.Touched.UTC().Format(time.RFC3339) }

func whenText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.Local()
	if now := time.Now(); t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04")
	} else if t.Year() == now.Year() {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2 Jan 2006")
}

// words are what a filter is compared with.
func (i *item) words() string {
	return strings.ToLower(strings.Join([]string{i.Path, i.Kind, i.State, i.Model, i.Data, i.Task, i.Trains, i.Error}, " "))
}

// metricText writes a value of a metric.
func metricText(name string) func(float64) string {
	if name == "accuracy" || name == "error_rate" {
		return func(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }
	}
	return chart.Number
}
