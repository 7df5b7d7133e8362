package page

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/facts"
)

// mistake is an example with a wrong answer, as page.html shows it.
type mistake struct {
	Picture, Sound template.URL // of a preview
	Text           string
	Input          string // for those who want to find it
	Label          string
	Predicted      string
	Numbers        string
	Alt            string
}

// mistakes are the worst, and a sentence about all of them.
func (r *Run) mistakes(most int) (out []mistake, text string) {
	if r.Facts == nil || !r.Facts.Judged {
		return nil, ""
	}
	f := r.Facts
	for i := range f.Mistakes[:min(most, len(f.Mistakes))] {
		out = append(out, shown(&f.Mistakes[i]))
	}
	val := "validation examples"
	if r.Data.Val > 0 {
		val = fmt.Sprintf("%d validation examples", r.Data.Val)
	}
	switch {
	case r.Data.Task == "regress":
		text = fmt.Sprintf("The %d answers that are furthest off, of %s.", len(out), val)
	case f.MistakesCount == 0 && len(r.Curve) > 0 && r.Val != nil && r.Val.Examples > 0 && r.metricName() == "accuracy" && r.Val.Accuracy() == 1:
		text = fmt.Sprintf("There is none: all %s have the right answer.", val)
	case len(out) == 0 && f.MistakesCount > 0:
		text = fmt.Sprintf("%d of %s have a wrong answer. They are left out of this page.", f.MistakesCount, val)
	case len(out) == 0:
		text = "They are not known: the weights that were written were measured before the run was resumed. permafrost eval --errors lists them."
	default:
		text = fmt.Sprintf("%d of %s have a wrong answer. The %d with the largest loss are shown, the worst first.", f.MistakesCount, val, len(out))
		if len(out) == f.MistakesCount {
			text = fmt.Sprintf("%d of %s have a wrong answer, the worst first.", f.MistakesCount, val)
		}
	}
	return out, text
}

func shown(m *facts.Mistake) mistake {
	o := mistake{Text: strings.ReplaceAll(m.Text, "\t", " ⏐ "), Input: m.Input, Label: m.Label, Predicted: m.Predicted}
	// only these: what a file says is never taken as it stands
	url := template.URL("data:" + m.MIME + ";base64," + base64.StdEncoding.EncodeToString(m.Preview))
	switch {
	case len(m.Preview) == 0:
	case m.MIME == "image/png", m.MIME == "image/jpeg":
		o.Picture = url
	case m.MIME == "audio/wav":
		o.Sound = url
	}
	var numbers []string
	add := func(v *float64, form string, scale float64) {
		if v != nil {
			numbers = append(numbers, fmt.Sprintf(form, scale**v))
		}
	}
	if m.LabelProbability != nil && m.Probability != nil {
		numbers = append(numbers, fmt.Sprintf("%.0f%% against %.0f%%", 100**m.Probability, 100**m.LabelProbability))
	}
	add(m.Residual, "off by %.4g", 1)
	add(m.ErrorRate, "error rate %.0f%%", 100)
	if m.Loss != nil {
		add(m.Loss, "loss %.3g", 1)
	}
	o.Numbers = strings.Join(numbers, ", ")
	o.Alt = fmt.Sprintf("validation example %s", m.Input)
	return o
}

// race is the table of what --auto tried.
func (r *Run) race() *chart.Table {
	if r.Race == nil {
		return nil
	}
	t := &chart.Table{ID: "race", Title: "The race of --auto", Example: "head", First: chart.Column{Name: "#", Number: true}}
	for _, c := range []chart.Column{{Name: "thaw"}, {Name: "start"}, {Name: "learning rate", Number: true}, {Name: words(r.Race.Metric), Number: true}, {Name: "±", Number: true}, {Name: "trained to", Number: true}, {Name: "parameters", Number: true}, {Name: "note"}} {
		t.Columns = append(t.Columns, c)
	}
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
	for i, c := range r.Race.Candidates {
		w := chart.Row{Key: fmt.Sprint(i + 1)}
		name := strings.Join(c.Thaw, ", ")
		if c.Adapter != "" {
			name = strings.TrimSpace(name + " with " + c.Adapter)
		}
		note := c.Failed
		switch {
		case c.Failed != "":
			w.Class = "failed"
		case strings.Join(c.Thaw, ",") == strings.Join(r.Race.Thaw, ",") && c.Adapter == r.Race.Adapter && c.Start == r.Race.Start && c.LR == r.Race.LR:
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
