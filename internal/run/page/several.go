package page

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/compare"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Link is a link to another page, with a sentence on what it shows.
type Link struct{ Name, Text, Path string }

// Compared is the folder of a comparison of plans.
type Compared struct {
	Dir string
	*compare.Comparison
}

// ReadCompared reads the folder of a comparison. It errors with fs.ErrNotExist where it is none.
func ReadCompared(dir string) (*Compared, error) { return ReadComparedFS(os.DirFS(dir), dir) }

// ReadComparedFS is ReadCompared for a folder that is opened as a file system, and named out.
func ReadComparedFS(dir fs.FS, out string) (*Compared, error) {
	b, err := fs.ReadFile(dir, compare.File)
	if err != nil {
		return nil, err
	}
	c := &Compared{Dir: out, Comparison: &compare.Comparison{}}
	if err := json.Unmarshal(b, c.Comparison); err != nil {
		return nil, fmt.Errorf("%s: %w", compare.File, err)
	}
	return c, nil
}

var (
	//go:embed several.html
	severalHTML string
	//go:embed runs.html
	runsHTML string

	severalLayout = sync.OnceValue(func() *template.Template { return chart.Layout(Parts + severalHTML) })
)

// SeveralView is what the page of several runs shows.
type SeveralView struct {
	chart.Page
	Title   string
	Summary string
	Links   []Link
	Curves  *chart.Section
	Drawn   string // which runs have curves, if not all
	Table   *chart.Table
	Pages   []Link // of the runs
	Options []differing
	Names   []string
	Plans   []chart.Table
}

// differing is an option that is not the same in all runs.
type differing struct {
	Name   string
	Values []string
}

// Limits of what is shown of several runs.
const (
	curvesMost  = 8 // that have a colour each
	optionsMost = 12
)

// WriteSeveral writes the page of several runs and comparisons.
func WriteSeveral(w io.Writer, runs []*Run, compared []*Compared, links []Link, o Options) error {
	v := SeveralOf(runs, compared, links, o)
	v.Page = chart.NewPage(CSS)
	for i, name := range namesOf(runs) {
		file := filepath.Join(runs[i].Out, run.ReportFile)
		if _, err := os.Stat(file); err == nil {
			v.Pages = append(v.Pages, Link{Name: name, Path: o.href(file)})
		}
	}
	return severalLayout().Execute(w, v)
}

// SeveralOf is what the page of several runs and comparisons shows, without what every page has and
// without links to the reports of the runs.
func SeveralOf(runs []*Run, compared []*Compared, links []Link, o Options) *SeveralView {
	v := &SeveralView{Title: "Runs side by side"}
	var parts []string
	if len(runs) > 0 {
		parts = append(parts, count(len(runs), "run"))
	}
	if len(compared) > 0 {
		parts = append(parts, count(len(compared), "comparison")+" of plans")
	}
	if len(links) > 0 {
		parts = append(parts, fmt.Sprintf("%d more", len(links)))
	}
	v.Summary = strings.Join(parts, ", ") + "."
	if len(runs) == 0 && len(compared) == 1 {
		v.Title = "Comparison " + titleOf(compared[0].Dir)
	}
	for _, l := range links {
		l.Path = o.href(l.Path)
		v.Links = append(v.Links, l)
	}
	names := namesOf(runs)
	if len(runs) > 0 {
		t := tableOf(runs, names)
		v.Table, v.Curves = &t, together(runs, names)
		if len(runs) > curvesMost {
			v.Drawn = fmt.Sprintf("The curves are those of the first %d.", curvesMost)
		}
		v.Names, v.Options = names[:min(len(names), optionsMost)], differ(runs[:min(len(runs), optionsMost)])
	}
	for i, c := range compared {
		v.Plans = append(v.Plans, plansOf(c, i))
	}
	return v
}

// href is the address of a file from the folder of the page; empty for none.
func (o Options) href(path string) string {
	if path == "" {
		return ""
	}
	from, err := filepath.Abs(o.At)
	if err == nil {
		if path, err = filepath.Abs(path); err == nil {
			path, err = filepath.Rel(from, path)
		}
	}
	if err != nil {
		return ""
	}
	return "./" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() // ./ so that no part is taken for a scheme
}

// namesOf are short names of runs: their folders, with as much of the path as tells them apart.
func namesOf(runs []*Run) []string {
	names := make([]string, len(runs))
	for parts := 1; parts < 8; parts++ {
		seen := map[string]int{}
		for i, r := range runs {
			whole, err := filepath.Abs(r.Out)
			if err != nil {
				whole = r.Out
			}
			all := strings.Split(filepath.ToSlash(whole), "/")
			names[i] = strings.Join(all[max(0, len(all)-parts):], "/")
			seen[names[i]]++
		}
		if len(seen) == len(runs) {
			return names
		}
	}
	for i := range names { // a run given twice
		names[i] = fmt.Sprintf("%s (%d)", names[i], i+1)
	}
	return names
}

// together draws the curves of several runs in one plot for each number.
func together(runs []*Run, names []string) *chart.Section {
	metric, val := []chart.Series{}, []chart.Series{}
	var metrics, losses []float64
	name := ""
	for i, r := range runs[:min(len(runs), curvesMost)] {
		if len(r.Curve) == 0 {
			continue
		}
		first := r.Curve[0].Epoch - 1
		shift := func(x []float64) []float64 { return append(slices.Repeat([]float64{math.NaN()}, first), x...) }
		class := fmt.Sprintf("s%d", i)
		if name == "" {
			name = r.metricName()
		}
		if r.metricName() == name {
			m, _ := r.metrics()
			metric, metrics = append(metric, chart.Series{Name: names[i], Class: class, Values: shift(m)}), append(metrics, m...)
		}
		l, _ := r.losses()
		val, losses = append(val, chart.Series{Name: names[i], Class: class, Values: shift(l)}), append(losses, l...)
	}
	if len(val) == 0 {
		return nil
	}
	return &chart.Section{ID: "curves", Title: "How they learned", Text: "On validation examples, after each epoch.", Small: true, Plots: []*chart.Plot{
		chart.Lines(words(name), "The "+words(name)+" of each run after each epoch.", 440, 320, "epoch", chart.Linear(words(name), metricText(name), metrics...), metric...),
		chart.Lines("loss", "The loss of each run after each epoch.", 440, 320, "epoch", lossAxis(losses), val...)}}
}

// tableOf is a row of numbers for each run.
func tableOf(runs []*Run, names []string) chart.Table {
	t := chart.Table{ID: "runs", Title: "The numbers", Example: "head", First: chart.Column{Name: "run"}, Columns: []chart.Column{{Name: "state"}, {Name: "model"}, {Name: "data"}, {Name: "trains"}, {Name: "validation", Number: true}, {Name: "metric"},
		{Name: "loss", Number: true}, {Name: "epochs", Number: true}, {Name: "best", Number: true}, {Name: "parameters trained", Number: true}, {Name: "time", Number: true}, {Name: "an epoch", Number: true}, {Name: "memory", Number: true}, {Name: "shipped", Number: true}}}
	cell := func(v float64, text func(float64) string) chart.Cell {
		if !chart.Finite(v) || v == 0 {
			return chart.Cell{}
		}
		return chart.Cell{Text: text(v), Value: fmt.Sprint(v)}
	}
	for i, r := range runs {
		loss, memory := math.NaN(), 0.0
		if r.Loss != nil {
			loss = *r.Loss
		}
		if r.End != nil {
			memory = float64(r.End.PeakRSS)
		}
		w := chart.Row{Key: names[i], Tip: names[i] + ": " + r.trains(), Cells: []chart.Cell{{Text: r.State}, {Text: filepath.Base(r.Config.Model)}, {Text: filepath.Base(r.Config.Data)}, {Text: r.trains()},
			cell(r.metric(), metricText(r.metricName())), {Text: words(r.metricName())}, cell(loss, chart.Number), cell(float64(r.Epochs), chart.Whole), cell(float64(r.BestEpoch), chart.Whole),
			cell(float64(r.ParamsThawed), chart.Amount), cell(r.Seconds, chart.Seconds), cell(r.epoch(), chart.Seconds), cell(memory, chart.Size), cell(float64(r.Delta), chart.Size)}}
		if r.State == run.Failed {
			w.Class = "failed"
		}
		t.Rows = append(t.Rows, w)
	}
	return t
}

// differ are the options in which runs differ.
func differ(runs []*Run) []differing {
	if len(runs) < 2 {
		return nil
	}
	var out []differing
	t := reflect.TypeFor[config.Config]()
	for i := range t.NumField() {
		d := differing{Name: t.Field(i).Tag.Get("yaml")}
		if d.Name == "out" {
			continue
		}
		for _, r := range runs {
			v := reflect.ValueOf(r.Config).Field(i)
			if v.Kind() == reflect.Pointer && !v.IsNil() {
				v = v.Elem()
			}
			text := strings.Trim(fmt.Sprint(v.Interface()), "[]")
			if text == "<nil>" {
				text = ""
			}
			d.Values = append(d.Values, text)
		}
		if slices.ContainsFunc(d.Values, func(s string) bool { return s != d.Values[0] }) {
			out = append(out, d)
		}
	}
	return out
}

// plansOf is the table of a comparison.
func plansOf(c *Compared, i int) chart.Table {
	t := chart.Table{ID: fmt.Sprintf("plans%d", i), Title: fmt.Sprintf("%s on %s, plans over %s", filepath.Base(c.Model), filepath.Base(c.Data), count(c.Seeds, "seed")), Example: "full", First: chart.Column{Name: "plan"},
		Columns: []chart.Column{{Name: "thaw"}, {Name: words(c.Metric), Number: true}, {Name: "±", Number: true}, {Name: "training less validation", Number: true}, {Name: "time of a fit", Number: true}, {Name: "parameters trained", Number: true}, {Name: "memory of a step", Number: true}, {Name: "against full fine-tuning"}}}
	text := metricText(c.Metric)
	cell := func(v float64, text func(float64) string) chart.Cell {
		if !chart.Finite(v) {
			return chart.Cell{}
		}
		return chart.Cell{Text: text(v), Value: fmt.Sprint(v)}
	}
	for _, p := range c.Plans {
		against := ""
		if p.Full != nil {
			against = "difference " + text(p.Full.Mean)
			if p.Full.P != nil {
				against += fmt.Sprintf(", p = %.2g", *p.Full.P)
			}
		}
		w := chart.Row{Key: p.Name, Tip: p.Name, Cells: []chart.Cell{{Text: strings.Join(p.Thaw, ", ")}, cell(p.Mean, text), cell(p.Std, text), cell(p.Gap, text), cell(p.Seconds, chart.Seconds), cell(float64(p.Params), chart.Amount), cell(float64(p.Bytes), chart.Size), {Text: against}}}
		if p.Name == c.Best {
			w.Class = "best"
		}
		t.Rows = append(t.Rows, w)
	}
	return t
}
