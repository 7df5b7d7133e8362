package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/ridge"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// What a fresh head reads is found from the graph. On some models other values tell more about the
// data, or several together do. Where the user names none, linear heads on frozen features are
// compared by training examples that they were not fitted to.
const (
	placeExamples = 256 // training examples by which places are weighed, at most
	placeLeast    = 50  // and at least; with fewer the found place stays
	placeFolds    = 20
	// How many standard errors of the difference another place has to be better by. Places are much
	// alike, so that the best of several is hardly better by chance.
	placeErrors = 1.5
)

// weighed is what is known of the values that a fresh head could read.
type weighed struct {
	choices  []choice // the place that is found from the graph comes first
	examples int
	seconds  float64
	known    bool // an earlier run compared
}

// choice is values that a head reads together, and how a linear head on them answers examples that
// it was not fitted to.
type choice struct {
	Names    []string
	Features int
	Errs     []float64 // squared, by example
	Wrong    int       // answers that are another class; -1 for a task without classes
}

// pick is the choice with the least error. It takes the found place unless there is evidence against
// it, and unless fewer answers of classes are wrong.
func (w *weighed) pick() *choice {
	best := &w.choices[0]
	for i := range w.choices[1:] {
		c := &w.choices[1+i]
		if c.Wrong >= 0 && c.Wrong >= w.choices[0].Wrong {
			continue
		}
		gain, err := ridge.Gain(w.choices[0].Errs, c.Errs)
		if more, _ := ridge.Gain(best.Errs, c.Errs); more > 0 && gain > placeErrors*err {
			best = c
		}
	}
	return best
}

// ChoosePlace chooses what a fresh head reads, where only it trains, and options attach and cut leave
// that open. Where more trains, that adapts to the place that is found. It weighs the value that is
// found from the graph and its alternatives (see split.Network.Alternatives), one by one and several
// together, by linear heads on the frozen features of some training examples. Their
// frozen values go to the cache, where the fit finds them. The choice is in the session's Config
// after it, and its Place holds for sessions that are made from it by With.
//
// Tasks without classes, labels or numbers, few examples, and models with one place to read are left
// as they are. Validation examples are not used. It may be called once Try found that the model
// takes the data.
func (s *Session) ChoosePlace(ctx context.Context, sinks ...report.Sink) error {
	if !onlyHead(&s.asked) || len(s.Config.Attach) > 0 || s.Config.Cuts() || !s.Net.Headed.Fresh || s.Task.PerPosition() || s.Train.Len() < placeLeast || !weighable(s.Task) {
		return nil
	}
	defer kernel.Use(s.Config.Threads)()
	began := time.Now()
	names, err := s.Net.Alternatives()
	if err != nil || len(names) < 2 {
		return err
	}
	w, err := s.weighOnce(ctx, names, report.NewEvents(sinks...))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // an alternative cannot be read, or gives no numbers; the found place was tried
		s.Notes = append(s.Notes, fmt.Sprintf("what the head reads was not weighed against %s: %v", quoted(names[1:]), err))
		return nil
	}
	w.seconds = time.Since(began).Seconds()
	defer func() { s.Spent += time.Since(began).Seconds() }()
	found, chosen := &w.choices[0], w.pick()
	if chosen != found {
		t, err := s.at(ctx, chosen)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.Notes = append(s.Notes, fmt.Sprintf("by training examples the head should read %s, but there the model cannot be trained: %v", quoted(chosen.Names), err))
			chosen = found
		} else {
			t.Notes = append(t.Notes, w.note(chosen))
			for _, n := range s.Notes { // of opening files, which the new session did not do
				if !slices.Contains(t.Notes, n) && !slices.Contains(s.Net.Headed.Notes, n) {
					t.Notes = append(t.Notes, n)
				}
			}
			*s = *t
		}
	}
	s.Place, s.Config.Attach = chosen.Names, chosen.Names
	return nil
}

// WeighPlace is ChoosePlace for the sessions that are made from this one by With. It goes on reading
// the found place itself, behind which are all blocks that a plan may name.
func (s *Session) WeighPlace(ctx context.Context, sinks ...report.Sink) error {
	t := *s
	if err := t.ChoosePlace(ctx, sinks...); err != nil {
		return err
	}
	s.Place, s.Notes, s.Spent = t.Place, t.Notes, t.Spent
	return nil
}

// at is the session with a head at other values, tried.
func (s *Session) at(ctx context.Context, c *choice) (*Session, error) {
	cfg := s.asked
	cfg.Attach = c.Names
	t, err := s.With(cfg, s.Train, s.Val)
	if err != nil {
		return nil, err
	}
	t.MeasureEach, t.Spent, t.asked = s.MeasureEach, s.Spent, s.asked
	if err := t.Check(); err != nil {
		return nil, err
	}
	return t, t.Try(ctx)
}

// onlyHead reports whether a configuration trains nothing but the head.
func onlyHead(c *config.Config) bool {
	deeper := slices.ContainsFunc(c.Thaw, func(s string) bool { return s != "head" && s != "none" })
	return !deeper && c.Adapter == "" && c.Schedule == ""
}

// weighable reports whether the right answers of a task are vectors that a linear head can be fitted
// to.
func weighable(t task.Task) bool {
	return task.KindOf(t).Answers.Classes || t.Name() == task.NameMultilabel || t.Name() == task.NameRegress
}

// weighOnce is weigh, or what an earlier run found by it.
func (s *Session) weighOnce(ctx context.Context, names []string, events *report.Events) (*weighed, error) {
	c := comparison{cfg: s.Config.Probe(), sample: s.placeSample()}
	c.cfg.Attach, c.cfg.Head, c.cfg.Augment = names, "linear", "none"
	var err error
	if c.folds, err = c.sample.Folds(placeFolds, 0, nil); err != nil {
		return nil, err
	}
	print, err := c.sample.Fingerprint()
	if err != nil {
		return nil, err
	}
	about, known := s.SubjectOf(c.cfg, []split.Digest{print}, c.folds)
	w := &weighed{examples: c.sample.Len()}
	if known && s.Findings().Get(placesQuestion, about, &w.choices) && len(w.choices) > 0 {
		w.known = true
		return w, nil
	}
	if w.choices, err = s.weigh(ctx, &c, events); err == nil && known {
		s.Findings().Put(placesQuestion, about, w.choices)
	}
	return w, err
}

// placesQuestion is the question how heads at several places answer.
const placesQuestion = "places"

// comparison says how places are compared.
type comparison struct {
	cfg    config.Config // of a head that reads all of them
	sample *data.Dataset
	folds  [][]int // of the sample
}

// placeSample are the training examples by which places are weighed.
func (s *Session) placeSample() *data.Dataset {
	sample := s.Train
	if n := sample.Len(); n > placeExamples {
		some := data.FileOrder(n)
		for k := range placeExamples { // the examples lie by class: evenly through them
			some[k] = some[k*n/placeExamples]
		}
		sample = s.Train.HeldOutSubset(some[:placeExamples])
	}
	return sample
}

// weigh compares what a head could read.
func (s *Session) weigh(ctx context.Context, c *comparison, events *report.Events) ([]choice, error) {
	names, sample := c.cfg.Attach, c.sample
	all, err := s.With(c.cfg, sample, s.Val)
	if err != nil {
		return nil, err
	}
	f, err := all.Features(ctx, sample, func(done, total int) { events.Emit(&report.Encoded{Done: done, Total: total}) })
	if err != nil {
		return nil, err
	}
	if len(f.Parts) != len(names) {
		return nil, fmt.Errorf("run: %d values gave %d parts", len(names), len(f.Parts))
	}
	var choices []choice
	grams, targets := make([]*mat.SymDense, len(names)), all.targetRows(sample)
	at := 0
	for k, width := range f.Parts {
		if grams[k], err = ridge.Gram(f.column(at, width), width); err != nil {
			return nil, err
		}
		at += width
	}
	add := func(parts ...int) (*choice, error) {
		next := choice{}
		sum := mat.NewSymDense(sample.Len(), nil)
		for _, k := range parts {
			next.Names, next.Features = append(next.Names, names[k]), next.Features+f.Parts[k]
			sum.AddSym(sum, grams[k])
		}
		errs, err := ridge.HeldOut(sum, targets, c.folds)
		if err != nil {
			return nil, err
		}
		next.Errs, next.Wrong = ridge.Squares(errs), -1
		if task.KindOf(s.Task).Answers.Classes {
			next.Wrong = wrong(targets, errs)
		}
		choices = append(choices, next)
		return &choices[len(choices)-1], ctx.Err()
	}
	if _, err := add(0); err != nil {
		return nil, err
	}
	// What is not better together with others is hardly so alone.
	promising := false
	for _, parts := range together(len(names)) {
		c, err := add(parts...)
		if err != nil {
			return nil, err
		}
		gain, _ := ridge.Gain(choices[0].Errs, c.Errs)
		promising = promising || gain > 0
	}
	for k := 1; promising && k < len(names); k++ {
		if _, err := add(k); err != nil {
			return nil, err
		}
	}
	return choices, nil
}

// together are the groups of n places, the found one first, that are weighed as one: all, the first
// ones, all but the found one, and the last three, mostly ends of blocks. A place of many features
// drowns others beside it, so groups without it are needed.
func together(n int) (groups [][]int) {
	places := data.FileOrder(n)
	for _, g := range [][]int{places, places[:max(0, min(3, n-1))], places[min(1, n):], places[max(0, n-3):]} {
		if len(g) > 1 && !slices.ContainsFunc(groups, func(h []int) bool { return slices.Equal(g, h) }) {
			groups = append(groups, g)
		}
	}
	return groups
}

// wrong counts the rows whose largest answer is not the largest target.
func wrong(targets, errs *mat.Dense) int {
	var answers mat.Dense
	answers.Sub(targets, errs)
	n, _ := targets.Dims()
	count := 0
	for i := range n {
		if floats.MaxIdx(answers.RawRowView(i)) != floats.MaxIdx(targets.RawRowView(i)) {
			count++
		}
	}
	return count
}

// column are some of the features of all examples.
func (f *Features) column(at, width int) []float32 {
	out := make([]float32, 0, len(f.Rows)/f.Width*width)
	for ; at < len(f.Rows); at += f.Width {
		out = append(out, f.Rows[at:at+width]...)
	}
	return out
}

// targetRows are the right answers as what a linear head should give: 1 for the class or the labels
// of an example and 0 for others, or its number.
func (s *Session) targetRows(d *data.Dataset) *mat.Dense {
	m := mat.NewDense(d.Len(), s.Task.Scores(), nil)
	for i, t := range s.targets[d] {
		switch {
		case s.Task.Name() == task.NameRegress:
			m.Set(i, 0, t.Value)
		case s.Task.Name() == task.NameMultilabel:
			for _, l := range t.Labels {
				m.Set(i, l, 1)
			}
		case t.Class >= 0:
			m.Set(i, t.Class, 1)
		}
	}
	return m
}

// note says what was chosen, why, and what that cost.
func (w *weighed) note(c *choice) string {
	found := w.choices[0]
	reads := quoted(c.Names)
	if len(c.Names) > 1 {
		reads += " together"
	}
	gain, err := ridge.Gain(found.Errs, c.Errs)
	before := 0.0
	for _, e := range found.Errs {
		before += e / float64(len(found.Errs))
	}
	when := fmt.Sprintf("in %.1f s", w.seconds)
	if w.known {
		when = "by an earlier run"
	}
	return fmt.Sprintf("the head reads %s, %d features, in place of %q alone, which was found from the graph: on %s held-out training examples the squared error of a linear head is %.0f%% lower, by %.1f standard errors (compared %s; option attach names what a head reads)",
		reads, c.Features, found.Names[0], report.Count(w.examples), 100*gain/before, gain/err, when)
}

func quoted(names []string) string { return "\"" + strings.Join(names, "\", \"") + "\"" }
