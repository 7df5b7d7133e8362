package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// File is the name of the page in the folder of a search.
const File = "search.html"

var (
	//go:embed page.html
	pageHTML string
	// Parts has the template search, of what the page shows: a View. It uses those of chart.Layout.
	//
	//go:embed search.html
	Parts string
	// CSS is the style of the page, beside that of package chart.
	//
	//go:embed page.css
	CSS string

	layout = sync.OnceValue(func() *template.Template { return chart.Layout(Parts + pageHTML) })
)

// View is what the page of a search shows.
type View struct {
	chart.Page
	Title    string
	Model    string
	Data     string
	Summary  string
	Best     *best
	Sections []chart.Section
	Table    chart.Table
	Space    string
	Options  string
	Notes    []string
	Facts    []chart.Fact
}

// best is the trial that the search found.
type best struct {
	Number   string
	Held     string // its metric on held-out training examples
	Test     string // its metric on the validation examples; empty where the search has not ended
	Metric   string
	Options  []chart.Fact
	Commands []string
}

// Write writes the page of a search. dir is its folder, which the commands of the page name.
func Write(w io.Writer, r *trials.Record, dir string) error {
	v, err := ViewOf(r, dir)
	if err != nil {
		return err
	}
	v.Page = chart.NewPage(CSS)
	return layout().Execute(w, v)
}

// ViewOf is what the page of a search shows, without what every page has. dir is as in Write.
func ViewOf(r *trials.Record, dir string) (*View, error) {
	all := gather(r)
	shared, err := r.Config()
	if err != nil {
		return nil, err
	}
	title := filepath.Base(dir)
	if whole, err := filepath.Abs(dir); err == nil { // "." has a name
		title = filepath.Base(whole)
	}
	v := &View{Title: title, Model: filepath.Base(shared.Model), Data: filepath.Base(shared.Data),
		Summary: summary(r, all), Sections: sections(r, all), Table: tableOf(r, all), Space: r.Header.Space, Options: r.Header.Options, Notes: r.Header.Notes, Facts: facts(r)}
	for _, t := range all {
		if t.best {
			v.Best = bestOf(r, t, dir)
		}
	}
	return v, nil
}

func summary(r *trials.Record, all []*trial) string {
	of := map[string]int{}
	for _, t := range all {
		of[t.state]++
	}
	s := fmt.Sprintf("%d trials: %d went all the way, %d were stopped early, %d failed", len(all), of[done], of[pruned], of[failed])
	if r.Final != nil {
		return s + ". " + chart.Seconds(r.Seconds()) + " in all."
	}
	if n := len(r.Running()); n > 0 {
		s += fmt.Sprintf("; %d tasks have begun", n)
	}
	return s + fmt.Sprintf(". %s so far. The search, of at most %d trials, has not ended.", chart.Seconds(r.Seconds()), r.Header.Trials)
}

func bestOf(r *trials.Record, t *trial, dir string) *best {
	text := metricText(r.Header.Metric)
	b := &best{Number: t.number, Held: text(t.metric), Metric: strings.ReplaceAll(r.Header.Metric, "_", " ")}
	for _, s := range t.entry.Point.Settings() {
		b.Options = append(b.Options, chart.Fact{Name: s.Name, Value: shown(s.Value)})
	}
	if f := r.Final; f != nil {
		switch {
		case f.Metric == nil:
			b.Test = text(f.Accuracy)
		case f.Metric.Value != nil:
			b.Test = text(*f.Metric.Value)
		}
		run := filepath.Join(dir, trials.BestDir)
		b.Commands = []string{"permafrost predict --model " + chart.Quoted(filepath.Join(run, "model.onnx")) + " FILE", "permafrost fit --config " + chart.Quoted(filepath.Join(run, "run.yaml")) + " --out NEW"}
	} else {
		b.Commands = []string{fmt.Sprintf("permafrost search show %s --trial %s --config best.yaml", chart.Quoted(dir), t.number), "permafrost fit --config best.yaml --out NEW"}
	}
	return b
}

func sections(r *trials.Record, all []*trial) []chart.Section {
	if len(all) == 0 {
		return nil
	}
	several := len(r.Header.Objectives) > 1
	out := []chart.Section{{ID: "history", Title: "History", Text: fmt.Sprintf("Each trial in its order, measured on %d held-out training examples. The line is the best so far among the trials that went all the way.", r.Header.HeldOut),
		Plots: []*chart.Plot{history(r, all)}}}
	trade := chart.Section{ID: "front", Title: "Accuracy against size and time", Text: "Trials that went all the way. The line connects those that no other beats in both.", Plots: tradeoffs(r, all), Small: true}
	if several {
		trade.Title, trade.Text = "Pareto front", "Trials that went all the way. The line connects those that no other beats in both; a ring is around those that no other beats in all objectives."
	} else if r.Header.Metric != "accuracy" {
		trade.Title = "Metric against size and time"
	}
	if len(trade.Plots) > 0 {
		out = append(out, trade)
	}
	out = append(out, chart.Section{ID: "parallel", Title: "All options at once", Text: "A line is a trial; the stronger its colour, the better it did.", Plots: []*chart.Plot{parallel(r, all)}})
	mattered := chart.Section{ID: "importance", Title: "Which options mattered", Text: "By PED-ANOVA: where the best tenth of the trials lie, beside where all lie.",
		Note: "No option shows more than chance would with so few trials."}
	if p := importance(r); p != nil {
		mattered.Plots = []*chart.Plot{p}
	}
	if len(r.Space.Params()) > 1 {
		out = append(out, mattered)
	}
	out = append(out, chart.Section{ID: "slices", Title: "Option by option", Text: "The metric against each option. Trials of one name stand a little apart.", Plots: slicesOf(r, all), Small: true})
	if p := timeline(r, all); p != nil {
		out = append(out, chart.Section{ID: "timeline", Title: "When each trial ran", Text: "A row for each worker; a trial that goes on to a further rung appears again.", Plots: []*chart.Plot{p}})
	}
	return out
}

func facts(r *trials.Record) []chart.Fact {
	h := &r.Header
	var goals, rungs []string
	for _, o := range h.Objectives {
		goals = append(goals, string(o))
	}
	for _, p := range h.Rungs {
		rungs = append(rungs, fmt.Sprintf("%d%%", p))
	}
	var out []chart.Fact
	add := func(name, value string) { out = append(out, chart.Fact{Name: name, Value: value}) }
	add("objectives", strings.Join(goals, ", "))
	add("algorithm", h.Algorithm)
	add("seed", fmt.Sprint(h.Seed))
	add("trials at most", fmt.Sprint(h.Trials))
	add("training examples", fmt.Sprint(h.Examples))
	add("held out of them", fmt.Sprintf("%d, in %d parts", h.HeldOut, h.Parts))
	if len(rungs) > 0 {
		add("rungs", strings.Join(rungs, ", ")+" of the epochs; the best go on")
	}
	add("results waited for", fmt.Sprintf("all but the last %d", h.Lag))
	add("model", "SHA-256 "+h.Model)
	add("data", "digest "+h.Data)
	add("program", "permafrost "+h.Tool)
	return out
}
