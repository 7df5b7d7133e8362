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
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed run.html
	runHTML string
	// CSS is the style of the page, beside that of package chart.
	//
	//go:embed page.css
	CSS string

	layout = sync.OnceValue(func() *template.Template { return chart.Layout(Parts + pageHTML) })

	// Parts are templates of what the pages show: of a View run-outcome and run-details, of a
	// SeveralView runs. They use those of chart.Layout.
	Parts = runHTML + runsHTML
)

// Options say what a page shows.
type Options struct {
	Examples int    // mistakes that are shown at most; 0 for none
	At       string // folder in which the page will lie; "" for the current one
}

// View is what the page of a run shows.
type View struct {
	chart.Page
	Title     string
	Of        string
	Summary   string
	Error     string
	Halted    *halted
	Cards     []card
	Diagnosis *report.Diagnosis
	Verdict   string

	Network      *chart.Section
	Layers       []layer
	Curves       *chart.Section
	Schedule     *chart.Section
	Changes      []chart.Fact
	Savings      []saving
	Confusion    *chart.Section
	Mixups       []chart.Fact
	Mistakes     []mistake
	MistakesText string
	Race         *chart.Table
	RaceText     string
	RaceWhy      string

	Commands []command
	Facts    []chart.Fact
	Notes    []string
	Options  string
}

// card is a number in large and what it is.
type card struct{ Number, Text string }

// Write writes the report of a run.
func Write(w io.Writer, r *Run, o Options) error {
	v, err := ViewOf(r, o)
	if err != nil {
		return err
	}
	v.Page, v.Curves = chart.NewPage(CSS), r.curves()
	return layout().Execute(w, v)
}

// ViewOf is what the page of a run shows, without its curves and without what every page has.
func ViewOf(r *Run, o Options) (*View, error) {
	options, err := r.Config.YAML()
	if err != nil {
		return nil, err
	}
	v := &View{Title: titleOf(r.Out), Of: filepath.Base(r.Config.Model) + " on " + filepath.Base(r.Config.Data), Summary: r.summary(), Error: r.Error, Halted: r.halted(),
		Cards: r.cards(), Diagnosis: r.Diagnosis, Network: r.networkSection(), Layers: layersOf(r.Facts), Schedule: r.schedule(), Changes: r.changes(), Savings: r.savings(),
		Confusion: r.confusion(), Mixups: r.mixups(), Race: r.race(), Commands: r.commands(), Facts: r.facts(), Notes: r.Warnings, Options: string(options)}
	if v.Halted != nil {
		v.Commands = v.Commands[:1] // the others stand above
	}
	v.Mistakes, v.MistakesText = r.mistakes(o.Examples)
	if r.Facts != nil {
		v.Notes = append(v.Notes[:len(v.Notes):len(v.Notes)], r.Facts.Notes...)
	}
	if r.Race != nil {
		v.RaceText, v.RaceWhy = r.Race.Text, r.Race.Why
	}
	if r.Diagnosis != nil {
		v.Verdict = r.Diagnosis.Verdict
	}
	return v, nil
}

// titleOf is the name of a folder. "." has one.
func titleOf(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	return filepath.Base(dir)
}

func (r *Run) summary() string {
	s := fmt.Sprintf("%d of %s", r.Epochs, count(r.Planned, "epoch"))
	switch r.State {
	case run.Done:
		return fmt.Sprintf("%s in %s.", count(r.Epochs, "epoch"), chart.Seconds(r.Seconds))
	case run.Failed:
		return s + fmt.Sprintf(" in %s. Then it failed.", chart.Seconds(r.Seconds))
	case run.Interrupted:
		if r.Checkpoint == 0 {
			return s + fmt.Sprintf(" in %s. Then it was interrupted, before it had a checkpoint.", chart.Seconds(r.Seconds))
		}
		return s + fmt.Sprintf(" in %s. Then it was interrupted; it can be resumed.", chart.Seconds(r.Seconds))
	}
	return s + fmt.Sprintf(", %s so far. It has not ended, or was killed.", chart.Seconds(r.Seconds))
}

func (r *Run) cards() []card {
	var out []card
	if m := r.metric(); chart.Finite(m) {
		text := words(r.metricName()) + " on validation examples"
		if r.Data.Val > 0 {
			text = fmt.Sprintf("%s on %d validation examples", words(r.metricName()), r.Data.Val)
		}
		if r.BestEpoch > 0 {
			text += fmt.Sprintf(", best epoch %d", r.BestEpoch)
		}
		out = append(out, card{metricText(r.metricName())(m), text})
	}
	if r.ParamsTotal > 0 {
		out = append(out, card{chart.Percent(float64(r.ParamsThawed) / float64(r.ParamsTotal)), fmt.Sprintf("of the parameters were trained: %s of %s (%s)", amountText(r.ParamsThawed), amountText(r.ParamsTotal), r.trains())})
	}
	for _, s := range r.savings() {
		if strings.HasPrefix(s.What, "time of all") && strings.HasSuffix(s.Saved, "less") {
			took := s.Measured + " measured"
			if s.Predicted != "" {
				took = s.Predicted + " predicted, " + took
			}
			out = append(out, card{strings.TrimSuffix(s.Saved, " less"), fmt.Sprintf("less time in the epochs than full fine-tuning, which takes %s: %s", s.Full, took)})
		}
	}
	if r.Delta > 0 && r.End != nil && r.End.ModelBytes > 0 {
		out = append(out, card{sizeText(r.Delta), fmt.Sprintf("are shipped to those who have the base; the model has %s", sizeText(r.End.ModelBytes))})
	}
	return out
}
