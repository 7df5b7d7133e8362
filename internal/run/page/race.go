package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
)

// RaceFile is the file of a run folder that holds a Race.
const RaceFile = "race.json"

// Race is what a page shows of a choice by option auto, in the form of RaceFile.
type Race struct {
	Thaw       []string    `json:"thaw"`
	Adapter    string      `json:"adapter"`
	LR         float64     `json:"lr"`
	Start      string      `json:"start"`
	Text       string      `json:"text"`
	Why        string      `json:"why"`
	Metric     string      `json:"metric"`
	Candidates []Candidate `json:"candidates"`
}

// Candidate is a plan of a Race, with what was measured of it.
type Candidate struct {
	Thaw    []string `json:"thaw"`
	Adapter string   `json:"adapter"`
	Start   string   `json:"start"`
	LR      float64  `json:"lr"`
	Params  int      `json:"params_thawed"`
	Share   float64  `json:"share"`
	Score   *float64 `json:"score"`
	Error   *float64 `json:"error"`
	Failed  string   `json:"failed"`
}

// race is the table of what --auto tried.
func (r *Run) race() *chart.Table {
	if r.Race == nil {
		return nil
	}
	t := &chart.Table{ID: "race", Title: "The race of --auto", Example: "head", First: chart.Column{Name: "#", Number: true},
		Columns: []chart.Column{{Name: "thaw"}, {Name: "start"}, {Name: "learning rate", Number: true}, {Name: words(r.Race.Metric), Number: true}, {Name: "±", Number: true}, {Name: "trained to", Number: true}, {Name: "parameters", Number: true}, {Name: "note"}}}
	number := func(v float64, text func(float64) string) chart.Cell {
		return chart.Cell{Text: text(v), Value: fmt.Sprint(v)}
	}
	optional := func(v *float64, text func(float64) string) chart.Cell {
		if v == nil {
			return chart.Cell{}
		}
		return number(*v, text)
	}
	text := metricText(r.Race.Metric)
	for i, c := range r.candidates() {
		w := chart.Row{Key: fmt.Sprint(i + 1)}
		name := strings.Join(c.Thaw, ", ")
		if c.Adapter != "" {
			name = strings.TrimSpace(name + " with " + c.Adapter)
		}
		note := c.Failed
		switch {
		case c.Failed != "":
			w.Class = "failed"
		case r.chosen(c):
			w.Class, note = "best", "chosen"
		}
		score := c.Score
		if score == nil {
			note = strings.TrimSpace(note + " not tried")
		}
		w.Cells = []chart.Cell{{Text: name}, {Text: c.Start}, number(c.LR, chart.Number), optional(score, text), optional(c.Error, text), number(c.Share, chart.Percent), number(float64(c.Params), chart.Amount), {Text: note}}
		w.Tip = name + " at " + chart.Number(c.LR)
		t.Rows = append(t.Rows, w)
	}
	return t
}

func (r *Run) chosen(c Candidate) bool {
	return slices.Equal(c.Thaw, r.Race.Thaw) && c.Adapter == r.Race.Adapter && c.Start == r.Race.Start && c.LR == r.Race.LR
}

// candidates are those of the race: the chosen one, then what was tried, the better ones first, then
// what was not.
func (r *Run) candidates() []Candidate {
	rank := func(c Candidate) float64 {
		switch {
		case r.chosen(c):
			return math.Inf(1)
		case c.Score == nil:
			return math.Inf(-1)
		}
		return *c.Score
	}
	out := slices.Clone(r.Race.Candidates)
	slices.SortStableFunc(out, func(a, b Candidate) int { return cmp.Compare(rank(b), rank(a)) })
	return out
}
