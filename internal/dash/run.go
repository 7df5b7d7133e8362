package dash

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/compare"
	"github.com/permafrost-ml/permafrost/internal/fed"
	fedpage "github.com/permafrost-ml/permafrost/internal/fed/page"
	"github.com/permafrost-ml/permafrost/internal/run"
	runpage "github.com/permafrost-ml/permafrost/internal/run/page"
	"github.com/permafrost-ml/permafrost/internal/trials"
	searchpage "github.com/permafrost-ml/permafrost/internal/trials/page"
)

// runBody is what the page of a run shows.
type runBody struct {
	Path    string
	Name    string
	Kind    string
	Of      string // model and data
	State   string
	Summary string
	Error   string

	Stop   string // address that stops it; empty where it was not started here
	Report string // address of its report
	Live   string // address of what happens; empty where it has ended
	Series string // address of its curves; empty without
	Epochs string // address of the list of its epochs
	Said   string // what a run that was started here wrote

	Done, Planned int
	View          any // of the templates of the kind
}

// Part is how much of the work is done, from 0 to 1.
func (b *runBody) Part() float64 { return float64(b.Done) / float64(max(1, b.Planned)) }

// reports are the pages that a run of each kind leaves in its folder.
var reports = map[string]string{kindFit: run.ReportFile, kindSearch: searchpage.File, kindFederation: fedpage.File}

// kind is that of the run in a place, "" for none.
func (p *place) kind() string {
	for _, k := range []struct{ kind, file string }{{kindSearch, trials.LogFile}, {kindComparison, compare.File}, {kindFederation, run.FederationFile}, {kindFit, run.EventsFile}, {kindFit, run.RunFile}} {
		if p.has(k.file) {
			return k.kind
		}
	}
	return ""
}

// run shows one run.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	p, err := s.folder.asked(r)
	if err == nil {
		defer p.Close()
	}
	var b *runBody
	if err == nil && p.kind() != "" {
		b, err = s.runBody(p)
	} else if b = s.started(strings.Trim(r.PathValue("path"), "/")); b == nil {
		err = fs.ErrNotExist
	} else {
		err = nil
	}
	if err != nil {
		s.missing(w, r, err)
		return
	}
	if r.URL.Query().Get("part") != "" {
		s.part(w, "run-parts", b)
		return
	}
	style := ""
	if b.Kind == kindSearch || b.Kind == kindFederation {
		style = b.Kind
	}
	s.render(w, r, http.StatusOK, "run", page{Title: b.Name, Section: "runs", Style: style, Body: b})
}

// started describes a run that was started here and has no folder yet; nil if none was.
func (s *Server) started(path string) *runBody {
	j := s.jobs.of(path)
	if j == nil {
		return nil
	}
	b := &runBody{Path: path, Name: path, Kind: kindFit, State: stateRunning, Summary: "It begins.", Said: j.said.String(), Stop: link("/stop/", path), Live: link("/live/", path)}
	if j.ended() {
		b.State, b.Stop, b.Live, b.Summary, b.Error = run.Failed, "", "", "It ended before it began its folder.", j.reason()
	}
	return b
}

// runBody describes the run in a place.
func (s *Server) runBody(p *place) (*runBody, error) {
	b := &runBody{Path: p.name, Name: p.title(), Kind: p.kind(), Live: link("/live/", p.name)}
	if file := reports[b.Kind]; file != "" && p.has(file) {
		b.Report = link("/report/", p.name)
	}
	var err error
	switch b.Kind {
	case kindSearch:
		err = b.search(p)
	case kindFederation:
		err = b.federation(p)
	case kindComparison:
		err = b.comparison(p)
	default:
		err = s.fit(b, p)
	}
	if err != nil {
		return nil, err
	}
	if j := s.jobs.of(p.name); j != nil && !j.ended() {
		b.Stop = link("/stop/", p.name)
	}
	return b, nil
}

func (s *Server) fit(b *runBody, p *place) error {
	r, err := s.pages.of(p)
	if err != nil {
		return err
	}
	v, err := runpage.ViewOf(r.Run, runpage.Options{Examples: runpage.ExamplesMost})
	if err != nil {
		return err
	}
	b.View, b.Summary, b.Error, b.State, b.Of = v, v.Summary, v.Error, s.state(p, r.State), v.Of
	b.Done, b.Planned = r.Epochs, r.Planned
	if b.State == stateRunning {
		b.Summary = fmt.Sprintf("%d of %d epochs", r.Epochs, r.Planned)
	}
	if v.Halted == nil || b.State == stateRunning {
		v.Halted = nil
		b.Series, b.Epochs = link("/series/", p.name), link("/epochs/", p.name)
	}
	if r.State != run.Unfinished || v.Halted != nil {
		b.Live = ""
	}
	if j := s.jobs.of(p.name); j != nil && j.ended() && j.err != nil && b.Error == "" && b.State == run.Unfinished {
		b.Error = j.reason()
	}
	return nil
}

// state is that of a run, with those that seem to go on told from those that were killed.
func (s *Server) state(p *place, state string) string {
	if state == run.Unfinished && (s.jobs.runs(p.name) || recent(p, run.EventsFile)) {
		return stateRunning
	}
	return state
}

func (b *runBody) search(p *place) error {
	r, err := trials.ReadRecordFS(p.FS, p.out)
	if err != nil {
		return err
	}
	v, err := searchpage.ViewOf(r, p.out)
	if err != nil {
		return err
	}
	b.View, b.Summary, b.Of, b.State = v, v.Summary, v.Model+" on "+v.Data, run.Unfinished
	b.Done, b.Planned = len(r.Trials()), r.Header.Trials
	switch {
	case r.Final != nil:
		b.State, b.Live = run.Done, ""
	case recent(p, trials.LogFile):
		b.State = stateRunning
	}
	return nil
}

func (b *runBody) federation(p *place) error {
	r, err := fed.ReadRecordFS(p.FS, p.out)
	if err != nil {
		return err
	}
	v, err := fedpage.ViewOf(r, p.out)
	if err != nil {
		return err
	}
	b.View, b.Summary, b.Error, b.Of, b.State = v, v.Summary, v.Error, v.Of, r.State()
	b.Done, b.Planned = len(r.Rounds), r.Start.Epochs
	if b.State == run.Unfinished && recent(p, run.EventsFile) {
		b.State = stateRunning
	} else if b.State == run.Done {
		b.Live = ""
	}
	return nil
}

func (b *runBody) comparison(p *place) error {
	c, err := runpage.ReadComparedFS(p.FS, p.out)
	if err != nil {
		return err
	}
	v := runpage.SeveralOf(nil, []*runpage.Compared{c}, nil, runpage.Options{})
	b.View, b.Summary, b.Of, b.State, b.Live = v, v.Summary, base(c.Model)+" on "+base(c.Data), run.Done, ""
	return nil
}

// series are the curves of a fit.
func (s *Server) series(w http.ResponseWriter, r *http.Request) {
	p, err := s.folder.asked(r)
	if err != nil {
		s.missing(w, r, err)
		return
	}
	defer p.Close()
	found, err := s.pages.of(p)
	if err != nil {
		s.missing(w, r, err)
		return
	}
	reply(w, http.StatusOK, struct {
		*runpage.Series
		Best int   `json:"best"`
		At   int64 `json:"at"` // bytes of the events that it holds
	}{found.Series(), found.BestEpoch, found.stamp[0].size})
}

// epochRow is a line of the list of epochs.
type epochRow struct {
	Epoch                                         int
	Best                                          bool
	Val, Train, ValLoss, TrainLoss, Seconds, Rate string
}

// epochs lists the epochs of a fit, the latest first.
func (s *Server) epochs(w http.ResponseWriter, r *http.Request) {
	p, err := s.folder.asked(r)
	if err != nil {
		s.missing(w, r, err)
		return
	}
	defer p.Close()
	found, err := s.pages.of(p)
	if err != nil {
		s.missing(w, r, err)
		return
	}
	all := found.Series()
	before, err := strconv.Atoi(r.URL.Query().Get("before"))
	if err != nil || before > len(all.Epoch) {
		before = len(all.Epoch)
	}
	text := func(v float64, of func(float64) string) string {
		if !chart.Finite(v) {
			return ""
		}
		return of(v)
	}
	body := struct {
		Metric string
		Rows   []epochRow
		More   string
	}{Metric: strings.ReplaceAll(all.Metric, "_", " ")}
	first := max(0, before-rowsMost)
	for i := before - 1; i >= first; i-- {
		m := metricText(all.Metric)
		body.Rows = append(body.Rows, epochRow{all.Epoch[i], all.Epoch[i] == found.BestEpoch, text(all.Val[i], m), text(all.Train[i], m), text(all.ValLoss[i], chart.Number), text(all.TrainLoss[i], chart.Number), chart.Seconds(all.Seconds[i]), chart.Number(all.LR[i])})
	}
	if first > 0 {
		body.More = fmt.Sprintf("%s?before=%d", link("/epochs/", p.name), first)
	}
	s.part(w, "epochs", body)
}

// report shows the page that a run left in its folder. It is somebody's file: it runs as if from
// another site, and only the script that all such pages have.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	p, err := s.folder.asked(r)
	if err != nil {
		s.missing(w, r, err)
		return
	}
	defer p.Close()
	name := reports[p.kind()]
	if name == "" || !p.has(name) {
		s.missing(w, r, fs.ErrNotExist)
		return
	}
	f, err := p.root.Open(name)
	if err != nil {
		s.missing(w, r, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Security-Policy", "sandbox allow-scripts allow-downloads; "+chart.NewPage("").Policy+"; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.Copy(w, f)
}

// stopRun stops a run that was started here.
func (s *Server) stopRun(w http.ResponseWriter, r *http.Request) {
	name := path.Clean(strings.Trim(r.PathValue("path"), "/"))
	if err := s.jobs.stop(name); err != nil {
		s.fail(w, r, http.StatusConflict, err)
		return
	}
	http.Redirect(w, r, link("/run/", name), http.StatusSeeOther)
}

// compareMost is how many runs stand side by side.
const compareMost = 50

// compare shows several runs side by side.
func (s *Server) compare(w http.ResponseWriter, r *http.Request) {
	names := slices.Compact(r.URL.Query()["run"])
	switch {
	case len(names) == 0:
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	case len(names) > compareMost:
		s.fail(w, r, http.StatusBadRequest, fmt.Errorf("%d runs: at most %d side by side", len(names), compareMost))
		return
	}
	var runs []*runpage.Run
	var compared []*runpage.Compared
	var links []runpage.Link
	for _, name := range names {
		err := func() error {
			p, err := s.folder.at(name)
			if err != nil {
				return err
			}
			defer p.Close()
			switch kind := p.kind(); kind {
			case kindFit:
				found, err := s.pages.of(p)
				if err == nil {
					runs = append(runs, found.Run)
				}
				return err
			case kindComparison:
				c, err := runpage.ReadComparedFS(p.FS, p.out)
				compared = append(compared, c)
				return err
			case "":
				return fs.ErrNotExist
			default:
				b, err := s.runBody(p)
				if err == nil {
					links = append(links, runpage.Link{Name: kind + " " + name, Text: b.Summary})
				}
				return err
			}
		}()
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%s: %w", name, err)
			}
			s.missing(w, r, err)
			return
		}
	}
	v := runpage.SeveralOf(runs, compared, links, runpage.Options{})
	s.render(w, r, http.StatusOK, "compare", page{Title: v.Title, Section: "runs", Body: v})
}
