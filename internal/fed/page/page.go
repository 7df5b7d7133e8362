package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// File is the name of the page in the folder of a federation.
const File = "federation.html"

var (
	//go:embed page.html
	pageHTML string
	// Parts has the template federation, of what the page shows: a View. It uses those of chart.Layout.
	//
	//go:embed federation.html
	Parts string
	// CSS is the style of the page, beside that of package chart.
	//
	//go:embed page.css
	CSS string

	layout = sync.OnceValue(func() *template.Template { return chart.Layout(Parts + pageHTML) })
)

// View is what the page of a federation shows.
type View struct {
	chart.Page
	Title    string
	Of       string
	Summary  string
	Error    string
	Cards    []card
	Commands []string
	Sections []chart.Section
	Table    *chart.Table
	Caution  string // about the table
	Seen     string
	Facts    []chart.Fact
	Refused  []chart.Fact
	Notes    []string
	Options  string
}

// card is a number in large and what it is.
type card struct{ Number, Text string }

// Write writes the page of a federation. dir is its folder, which the commands of the page name.
func Write(w io.Writer, r *fed.Record, dir string) error {
	v, err := ViewOf(r, dir)
	if err != nil {
		return err
	}
	v.Page = chart.NewPage(CSS)
	return layout().Execute(w, v)
}

// ViewOf is what the page of a federation shows, without what every page has. dir is as in Write.
func ViewOf(r *fed.Record, dir string) (*View, error) {
	title := filepath.Base(dir)
	if whole, err := filepath.Abs(dir); err == nil { // "." has a name
		title = filepath.Base(whole)
	}
	options, err := r.Config.YAML()
	if err != nil {
		return nil, err
	}
	all := gather(r)
	v := &View{Title: title, Of: filepath.Base(r.Config.Model), Summary: summary(r), Cards: cards(r), Sections: sections(r, all), Seen: r.Settings.Seen(),
		Facts: facts(r), Notes: r.Warnings, Options: string(options)}
	if r.Config.Data != "" {
		v.Of += " on " + filepath.Base(r.Config.Data)
	}
	if r.End != nil {
		v.Error = r.End.Error
	}
	if len(all) > 0 {
		t := tableOf(r, all)
		v.Table = &t
	}
	if r.Settings.Epsilon > 0 && !r.Settings.LocalDP {
		v.Caution = "What is said of single clients, also who took part, is not covered by the privacy that the model has: keep this page with the server."
	}
	for _, name := range slices.Sorted(maps.Keys(r.Refused)) {
		v.Refused = append(v.Refused, chart.Fact{Name: name, Value: r.Refused[name]})
	}
	v.Commands = []string{"permafrost federate show " + chart.Quoted(dir)}
	if r.State() == run.Done {
		v.Commands = []string{"permafrost predict --model " + chart.Quoted(filepath.Join(dir, run.ModelFile)) + " FILE", "permafrost verify BASE " + chart.Quoted(filepath.Join(dir, run.ModelFile))}
	}
	return v, nil
}

func summary(r *fed.Record) string {
	s := fmt.Sprintf("%d of %d rounds", len(r.Rounds), r.Start.Epochs)
	switch r.State() {
	case run.Done:
		return fmt.Sprintf("%d rounds in %s.", len(r.Rounds), chart.Seconds(r.Seconds))
	case run.Failed:
		return s + fmt.Sprintf(" in %s. Then it failed; it can be resumed.", chart.Seconds(r.Seconds))
	case run.Interrupted:
		return s + fmt.Sprintf(" in %s. Then it was interrupted; it can be resumed.", chart.Seconds(r.Seconds))
	}
	return s + fmt.Sprintf(", %s so far. It has not ended.", chart.Seconds(r.Seconds))
}

func cards(r *fed.Record) []card {
	var out []card
	if i := r.Written(); i >= 0 {
		best := &r.Rounds[i]
		out = append(out, card{metricText(best.Metric)(float64(best.Accuracy)), fmt.Sprintf("%s on the server's %d examples, with the weights of round %d", metricName(best.Metric), r.Data.Val, best.Round)})
	}
	var up, down, full, base int64
	lost, rejected := 0, 0
	for _, round := range r.Rounds {
		up, down, full = up+round.Up, down+round.Down, full+round.Full
		lost, rejected = lost+len(round.Lost), rejected+len(round.Rejected)
	}
	took := 0
	for _, m := range r.Members {
		base += m.Base
		if m.Rounds > 0 {
			took++
		}
	}
	if full > 0 {
		text := fmt.Sprintf("of the bytes that exchanging the whole model takes: %s up and %s down instead of %s", byteText(up), byteText(down), byteText(full))
		if base > 0 {
			text += fmt.Sprintf("; the base model took %s, once", byteText(base))
		}
		out = append(out, card{chart.Percent(float64(up+down) / float64(full)), text})
	}
	out = append(out, card{fmt.Sprint(took), fmt.Sprintf("clients took part. Answers that did not come: %d, rejected: %d; clients refused: %d", lost, rejected, len(r.Refused))})
	if n := len(r.Rounds); n > 0 && r.Settings.Epsilon > 0 {
		out = append(out, card{"ε " + chart.Number(r.Rounds[n-1].Epsilon), fmt.Sprintf("at delta %g is what all rounds so far give away of a client", r.Settings.Delta)})
	}
	return out
}

func sections(r *fed.Record, all []*client) []chart.Section {
	if len(r.Rounds) == 0 {
		return nil
	}
	out := []chart.Section{
		{ID: "curves", Title: "How it learned", Text: "On the server's examples after each round; the loss while training is that of the clients' examples.", Plots: curves(r), Small: true},
		{ID: "bytes", Title: "Bytes", Text: "Beside what it would take if every client got and sent the whole model in 32 bits a number.", Plots: traffic(r), Small: true},
		{ID: "who", Title: "Who took part", Text: whoText(all), Plots: who(r, all)},
	}
	if plots := more(r); len(plots) > 0 {
		out = append(out, chart.Section{ID: "more", Title: "Round by round", Text: "What changed from round to round.", Plots: plots, Small: true})
	}
	return out
}

func facts(r *fed.Record) []chart.Fact {
	var out []chart.Fact
	add := func(name, value string) { out = append(out, chart.Fact{Name: name, Value: value}) }
	if r.Simulated != "" {
		add("simulated", r.Simulated)
	}
	for _, w := range r.Settings.Words() {
		out = append(out, chart.Fact(w))
	}
	if p := &r.Plan; p.ParamsTotal > 0 {
		thaw := strings.Join(p.Thaw, ", ")
		if len(p.Freeze) > 0 {
			thaw += " without " + strings.Join(p.Freeze, ", ")
		}
		add("thawed", fmt.Sprintf("%s: %s of %s parameters (%s)", thaw, chart.Amount(float64(p.ParamsThawed)), chart.Amount(float64(p.ParamsTotal)), chart.Percent(float64(p.ParamsThawed)/float64(p.ParamsTotal))))
	}
	add("passes of a client in a round", fmt.Sprint(r.Config.Epochs))
	add("program", "permafrost "+r.Start.Version)
	return out
}
