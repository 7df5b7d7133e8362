package page

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

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
