package dash

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/inspect"
)

// planBody is what the plan page shows.
type planBody struct {
	Models []string
	Data   []string
	Heads  []string
	Picks  []string // selectors to choose from

	Model    string
	DataPath string
	Opened   bool
	Query    string // of the parts
	Form     url.Values
	State    *planState
	Parts    []partRow
	Inputs   []string
	Fetch    *fetchBody   // nil unless the model or the data are on their way from a hub
	Started  []startedRow // runs that were started here and go on
}

// Get is a value of the form.
func (b planBody) Get(name string) string { return b.Form.Get(name) }

// Base is the name of the model's file.
func (b planBody) Base() string { return base(b.Model) }

// partRow is a row of the tree.
type partRow struct {
	Index  int
	Name   string
	Pick   string
	Params string
	Bar    int // of 100
	Layers int
	Nodes  int
	partState
}

// startedRow is a run that was started here and goes on.
type startedRow struct{ Name, Href, Stop string }

// planState is what a plan does.
type planState struct {
	Error   string            `json:"error,omitempty"`
	Thaw    string            `json:"thaw"`
	Freeze  string            `json:"freeze"`
	Command string            `json:"command,omitempty"`
	Thawed  string            `json:"thawed,omitempty"` // how much trains, in words
	Parts   []partState       `json:"parts,omitempty"`
	Layers  map[string]string `json:"layers,omitempty"` // classes of those that are not frozen
	Notes   []string          `json:"notes"`
	Cost    *planCost         `json:"cost,omitempty"`
}

// partState is the state of a part.
type partState struct {
	Class string `json:"class"` // ice, warm or mild, as in the style; plain without weights
	Text  string `json:"text"`  // of its parameters
	Live  bool   `json:"live"`  // it is behind the frontier
}

// planCost is the predicted cost of a fit, in words, and the numbers in seconds and bytes.
type planCost struct {
	Guess      bool    `json:"guess"` // its times are those of an earlier plan's rates
	First      string  `json:"first"`
	Later      string  `json:"later"`
	Whole      string  `json:"whole"`
	WholeOf    string  `json:"whole_of"`
	Memory     string  `json:"memory"`
	Checkpoint string  `json:"checkpoint"`
	Cache      string  `json:"cache"`
	CacheEach  string  `json:"cache_each"`
	Seconds    float64 `json:"seconds"`
	Bytes      int64   `json:"bytes"`
}

// plan shows the plan page: the models that there are, or one of them with its parts.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	s.showPlan(w, r, http.StatusOK, form, "")
}

func (s *Server) showPlan(w http.ResponseWriter, r *http.Request, status int, form url.Values, failed string) {
	b := planBody{Form: form, Model: form.Get("model"), DataPath: form.Get("data"), Heads: []string{"linear", "keep", "mlp:128", "mlp:256,64"}, Picks: freeze.SelectorExamples()}
	runs, _ := filepath.Abs(s.o.Runs)
	skip := func(p string) bool { whole, err := filepath.Abs(p); return err == nil && whole == runs }
	b.Models, b.Data = s.plans.models.list(isModel, skip), s.plans.data.list(isData, skip)
	for _, name := range s.jobs.going() {
		b.Started = append(b.Started, startedRow{name, link("/run/", name), link("/stop/", name)})
	}
	p := page{Title: "Plan", Section: "plan", Error: failed}
	if b.Model != "" {
		if err := s.openPlan(r, &b); err != nil && p.Error == "" {
			p.Error = err.Error()
			status = cmp.Or(max(status, http.StatusUnprocessableEntity), status)
		}
		p.Title = "Plan for " + base(b.Model)
	}
	p.Body = b
	s.render(w, r, status, "plan", p)
}

// openPlan opens the model of a plan page.
func (s *Server) openPlan(r *http.Request, b *planBody) error {
	q, err := requestOf(b.Form.Get)
	if err != nil {
		return err
	}
	o, err := s.plans.begin(q)
	if err != nil {
		return err
	}
	if b.Fetch = s.fetching(r.Context(), q, o); b.Fetch != nil {
		return nil
	}
	if o, err = s.plans.of(r.Context(), q); err != nil {
		return err
	}
	in, outline, err := o.inspect(r.Context(), q, unpriced)
	if err != nil && len(q.Thaw)+len(q.Freeze) > 0 { // a selector that does not fit: the model is shown without
		b.State = &planState{Error: err.Error()}
		plain := *q
		plain.Thaw, plain.Freeze = nil, nil
		in, outline, err = o.inspect(r.Context(), &plain, unpriced)
	}
	if err != nil {
		return err
	}
	b.Opened, b.Inputs = true, in.Inputs
	failed := ""
	if b.State != nil {
		failed = b.State.Error
	}
	b.State = s.stateOf(q, in, outline)
	b.State.Error = failed
	v := url.Values{"model": {q.Model}, "data": {q.Data}, "head": {q.Head}}
	b.Query = v.Encode()
	most := 1
	params := make([]int, len(outline.Parts))
	for i := range in.Layers {
		if k := partOf(outline, in.Layers[i].Name); k >= 0 {
			params[k] += in.Layers[i].Params
			most = max(most, params[k])
		}
	}
	for i, p := range outline.Parts {
		b.Parts = append(b.Parts, partRow{Index: i, Name: cmp.Or(p.Name, "(no name)"), Pick: p.Selector, Params: chart.Amount(float64(params[i])), Bar: int(math.Ceil(100 * float64(params[i]) / float64(most))),
			Layers: len(p.Layers), Nodes: len(p.Nodes), partState: b.State.Parts[i]})
	}
	return nil
}

// partOf is the part of a layer, -1 for none.
func partOf(o *inspect.Outline, layer string) int {
	return slices.IndexFunc(o.Parts, func(p inspect.Part) bool { return slices.Contains(p.Layers, layer) })
}

// class is that of a state in the style.
func class(state freeze.State) string {
	switch state {
	case freeze.Thaw:
		return "warm"
	case freeze.Partly:
		return "mild"
	}
	return "ice"
}

// stateOf describes a plan.
func (s *Server) stateOf(q *request, in *inspect.Inspection, o *inspect.Outline) *planState {
	st := &planState{Thaw: strings.Join(q.Thaw, ","), Freeze: strings.Join(q.Freeze, ","), Layers: map[string]string{}, Notes: slices.Concat([]string{}, in.Notes), Parts: make([]partState, len(o.Parts))}
	st.Command = "permafrost fit"
	for _, a := range q.args() {
		st.Command += " " + chart.Quoted(a)
	}
	if q.Data == "" {
		st.Command += " --data DATA"
	}
	st.Thawed = fmt.Sprintf("%s of %s parameters train (%s)", chart.Amount(float64(in.ParamsThawed)), chart.Amount(float64(in.ParamsTotal)), chart.Percent(math.Round(1e4*float64(in.ParamsThawed)/float64(max(1, in.ParamsTotal)))/1e4))
	byLayer := map[string]*inspect.Layer{}
	for i := range in.Layers {
		l := &in.Layers[i]
		byLayer[l.Name] = l
		if c := class(l.State); c != "ice" {
			st.Layers[l.Name] = c
		}
	}
	live := false
	for i, p := range o.Parts {
		total, thawed := 0, 0
		for _, name := range p.Layers {
			l := byLayer[name]
			if l == nil {
				continue
			}
			for _, w := range l.Weights {
				if !w.Role.Trains() {
					continue
				}
				n := w.Shape.Len()
				total += n
				switch e := in.Plan.Of(w.Name); e.State {
				case freeze.Thaw:
					thawed += n
				case freeze.Partly:
					for _, b := range e.ElementMask(w.Shape) {
						thawed += int(b)
					}
				}
			}
		}
		ps := &st.Parts[i]
		switch {
		case total == 0:
			ps.Class, ps.Text = "plain", "no weights"
		case thawed == 0:
			ps.Class, ps.Text = "ice", "frozen"
		case thawed == total:
			ps.Class, ps.Text = "warm", "thawed"
		default:
			ps.Class, ps.Text = "mild", chart.Percent(math.Round(1000*float64(thawed)/float64(total))/1000)+" thawed"
		}
		live = live || thawed > 0
		ps.Live = live
	}
	if p := in.Predicted; p != nil {
		whole := p.FirstEpoch + float64(max(0, in.Epochs-1))*p.LaterEpoch
		c := &planCost{First: chart.Seconds(p.FirstEpoch), Later: chart.Seconds(p.LaterEpoch), Whole: chart.Seconds(whole), WholeOf: fmt.Sprintf("%d epochs of %d examples", in.Epochs, p.Examples),
			Memory: chart.Size(float64(p.TrainBytes + p.KeptMemory)), Checkpoint: chart.Size(float64(p.Checkpoint)), Cache: "nothing is kept", Seconds: whole, Bytes: p.TrainBytes + p.KeptMemory}
		if p.KeptBytes > 0 {
			c.Cache, c.CacheEach = chart.Size(float64(p.KeptBytes)), chart.Size(float64(p.CachePerExample))+" an example"
		}
		st.Cost = c
	}
	return st
}

// form reads the form of a request that changes or measures a plan.
func (s *Server) form(w http.ResponseWriter, r *http.Request) (*request, *planning, bool) {
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, http.StatusRequestEntityTooLarge, errors.New("the form is too large or damaged"))
		return nil, nil, false
	}
	q, err := requestOf(r.Form.Get)
	var o *planning
	if err == nil {
		o, err = s.plans.of(r.Context(), q)
	}
	if err != nil {
		reply(w, http.StatusOK, planState{Error: err.Error(), Thaw: r.Form.Get("thaw"), Freeze: r.Form.Get("freeze"), Notes: []string{}})
		return nil, nil, false
	}
	return q, o, true
}

// planState says what a plan does, and what it would cost by the rates of the plan before. A form
// with a toggle thaws what the selector names, or freezes it.
func (s *Server) planState(w http.ResponseWriter, r *http.Request) {
	q, o, ok := s.form(w, r)
	if !ok {
		return
	}
	before := planState{Thaw: strings.Join(q.Thaw, ","), Freeze: strings.Join(q.Freeze, ","), Notes: []string{}}
	toggle := freeze.SplitList([]string{r.Form.Get("toggle")})
	if len(toggle) > 0 {
		q.toggle(toggle, r.Form.Get("on") != "")
	}
	in, outline, err := o.inspect(r.Context(), q, guessed)
	if err == nil && len(toggle) > 0 && r.Form.Get("on") == "" && q.insist(toggle, in, outline) {
		in, outline, err = o.inspect(r.Context(), q, guessed)
	}
	if err != nil {
		before.Error = err.Error()
		reply(w, http.StatusOK, before)
		return
	}
	st := s.stateOf(q, in, outline)
	if st.Cost != nil {
		st.Cost.Guess = true
	}
	reply(w, http.StatusOK, st)
}

// planCost says the same, with times from runs of a few examples.
func (s *Server) planCost(w http.ResponseWriter, r *http.Request) {
	q, o, ok := s.form(w, r)
	if !ok {
		return
	}
	in, outline, err := o.inspect(r.Context(), q, measured)
	if err != nil {
		reply(w, http.StatusOK, planState{Error: err.Error(), Notes: []string{}})
		return
	}
	reply(w, http.StatusOK, s.stateOf(q, in, outline))
}

// toggle thaws what selectors name, or takes them out of the lists.
func (q *request) toggle(picks []string, on bool) {
	thaw := q.Thaw
	if len(thaw) == 0 {
		thaw = []string{"head"}
	}
	for _, p := range picks {
		thaw = slices.DeleteFunc(slices.Clone(thaw), func(s string) bool { return s == "!"+p || !on && s == p })
		q.Freeze = slices.DeleteFunc(slices.Clone(q.Freeze), func(s string) bool { return s == p })
		if on && !slices.Contains(thaw, p) {
			thaw = append(thaw, p)
		}
	}
	if !on && len(thaw) == 0 {
		thaw = []string{"none"}
	}
	if on {
		thaw = slices.DeleteFunc(thaw, func(s string) bool { return s == "none" })
	}
	q.Thaw = thaw
}

// insist takes away what still trains of these selectors because wider ones name it. It reports
// whether that changed anything.
func (q *request) insist(picks []string, in *inspect.Inspection, o *inspect.Outline) bool {
	changed := false
	for _, p := range picks {
		trains := false
		for _, part := range o.Parts {
			for k, l := range part.Layers {
				if part.Picks[k] != p && part.Selector != p {
					continue
				}
				at := slices.IndexFunc(in.Layers, func(x inspect.Layer) bool { return x.Name == l })
				trains = trains || at >= 0 && class(in.Layers[at].State) != "ice"
			}
		}
		if trains && p != "head" {
			q.Thaw, changed = append(q.Thaw, "!"+p), true
		}
	}
	return changed
}

// planStart starts the run of a plan.
func (s *Server) planStart(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, http.StatusRequestEntityTooLarge, errors.New("the form is too large or damaged"))
		return
	}
	q, err := requestOf(r.PostForm.Get)
	if err == nil {
		err = s.plans.granted(q)
	}
	if err == nil && q.Data == "" {
		err = errors.New("name the data that the run trains on")
	}
	var name string
	if err == nil {
		name, err = s.freePath(q)
	}
	if err == nil {
		err = s.jobs.start(r.Context(), name, q.args())
	}
	if err != nil {
		s.showPlan(w, r, http.StatusUnprocessableEntity, r.PostForm, err.Error())
		return
	}
	s.index.scan()
	http.Redirect(w, r, link("/run/", name), http.StatusSeeOther)
}
