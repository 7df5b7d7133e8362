package trials

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/search/space"
	tool "github.com/permafrost-ml/permafrost/internal/version"
)

// Options say what is searched for, and how.
type Options struct {
	Config     config.Config // that all trials share; its Out is the folder of the search
	Sets       run.Sets      // examples of the caller
	Space      []byte        // a space file; nil: one made from the model and the data
	Trials     int           // at most; 0: as many as usual
	Budget     time.Duration // after which no trial starts; 0: none
	Algorithm  string
	Prior      bool // orders the trials that depend on no results, see prior
	Objectives []Objective
	First      []space.Point // tried first
	WarmStart  string        // the folder of an earlier search, whose results are known
	Resume     bool
	Lag        int  // trials that a proposal does not wait for; 0: as usual
	Async      bool // see search.Plan
	Started    func(Entry)
	Ended      func(Entry)
}

// Search is a search that is ready to run.
type Search struct {
	Session *run.Session
	Bench   *Bench
	Space   *space.Space
	Near    []int // see NewBench
	Header  Header
	Notes   []string

	o       Options
	plan    search.Plan
	planner *search.Planner
	log     *Log
	runner  Runner
	done    map[[2]int]Entry       // results that the log had, by trial and rung
	running map[[2]int]space.Point // tasks that have not ended, by trial and rung
	waiting []int                  // trials that may go on
	Entries []Entry                // results, in the order in which they came
	began   time.Time
	final   *Final
}

// usualLag is how many trials a proposal does not wait for: so many workers are kept busy.
const usualLag = 8

const (
	usualTrials = 40
	cohort      = 8  // trials that are compared on a rung
	fewRungs    = 16 // trials below which a space that is tried whole is measured whole
)

// New prepares a search: it opens model and data, checks the space against them, and reads the log
// of a search that is resumed. It writes nothing.
func New(ctx context.Context, o Options) (*Search, error) {
	s := &Search{o: o, done: map[[2]int]Entry{}, running: map[[2]int]space.Point{}, began: time.Now()}
	if !o.Resume {
		if err := s.free(); err != nil {
			return nil, err
		}
	}
	cfg := o.Config
	cfg.Out = ""
	var err error
	if s.Session, err = run.PrepareOn(ctx, cfg, o.Sets); err != nil {
		return nil, err
	}
	if err := s.Session.Check(); err != nil {
		return nil, err
	}
	if err := s.Session.Try(ctx); err != nil {
		return nil, err
	}
	if err := s.Session.WeighPlace(ctx); err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, s.Session.Notes...)
	if err := s.readSpace(); err != nil {
		return nil, err
	}
	var notes []string
	if s.Near, notes, err = choose.Near(ctx, s.Session); err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, notes...)
	if s.Bench, err = NewBench(s.Session, cfg, s.Space.Limits(), s.Near); err != nil {
		return nil, err
	}
	s.runner = &local{bench: s.Bench}
	if err := s.Bench.contradiction(s.Space); err != nil {
		return nil, option.Errorf("space", "%w", err)
	}
	if err := s.Bench.Check(s.Space); err != nil {
		return nil, option.Errorf("space", "%w", err)
	}
	if err := s.makePlan(); err != nil {
		return nil, err
	}
	if err := s.header(); err != nil {
		return nil, err
	}
	if o.Resume {
		err = s.reopen()
	} else if o.WarmStart != "" {
		err = s.warm()
	}
	if err != nil {
		return nil, err
	}
	if o.Prior {
		if s.plan.Prior, err = s.prior(ctx); err != nil {
			return nil, err
		}
	}
	s.planner, err = search.NewPlanner(s.plan)
	return s, err
}

func (s *Search) readSpace() (err error) {
	if s.o.Space == nil {
		if s.Space, err = DefaultSpace(s.Session, &s.o.Config, s.o.Objectives); err == nil && s.o.First == nil && s.o.Algorithm != "random" {
			s.o.First = usual(s.Space)
		}
		return err
	}
	if s.Space, err = space.Parse(s.o.Space, Known(s.Session)); err != nil {
		return option.Errorf("space", "%w", err)
	}
	for _, p := range s.Space.Params() {
		if isOption(p.Name) && given(&s.o.Config, p.Name) {
			return option.Errorf(p.Name, "it is given, and the space searches it: leave one of the two out")
		}
	}
	return nil
}

// makePlan decides how many trials there are and how far they go.
func (s *Search) makePlan() error {
	seed := s.Session.Config.Seed
	algorithm, err := search.New(cmp.Or(s.o.Algorithm, "tpe"), s.Space, seed)
	if err != nil {
		return option.Errorf("algorithm", "%w", err)
	}
	n := min(cmp.Or(s.o.Trials, usualTrials), s.Space.Size())
	s.plan = search.Plan{Space: s.Space, Algorithm: algorithm, Trials: n, First: s.o.First, Lag: cmp.Or(s.o.Lag, usualLag), Async: s.o.Async}
	few := n < cohort || n < fewRungs && n == s.Space.Size()
	if !few && s.deepens() {
		s.plan.Rungs = search.Rungs{Resource: []int{25, 50, 100}, Eta: 2, Cohort: cohort}
	}
	return nil
}

// deepens reports whether trials may train more than a head, whose epochs cost something.
func (s *Search) deepens() bool {
	for _, p := range s.Space.Params() {
		if _, ok := rankOf(p.Name); ok || p.Name == "adapter" {
			return true
		}
	}
	p := s.Space.Param("thaw")
	if p == nil {
		return !s.Session.HeadOnly()
	}
	return slices.ContainsFunc(p.Values, func(v space.Value) bool { return !slices.Equal(v.Texts(), []string{"head"}) })
}

// Shared are the options that all trials share, as the user gave them, without those on which no
// result depends.
func (s *Search) Shared() config.Config {
	shared, usual := s.o.Config, config.DefaultConfig()
	shared.Out, shared.Threads, shared.Cache, shared.CacheBudget = "", usual.Threads, usual.Cache, usual.CacheBudget
	return shared
}

func (s *Search) header() error {
	data, err := s.Session.Train.Fingerprint()
	if err != nil {
		return err
	}
	shared := s.Shared()
	options, err := shared.YAML()
	if err != nil {
		return err
	}
	name, _ := s.Session.Task.NewMetrics().Metric()
	s.Header = Header{
		Version: version, ID: rand.Text(), Tool: tool.Version, Model: s.Session.Base.Model.Digest(), Data: hex.EncodeToString(data[:]), Options: string(options), Space: string(s.Space.YAML()),
		Algorithm: cmp.Or(s.o.Algorithm, "tpe"), Objectives: s.o.Objectives, Trials: s.plan.Trials, Lag: s.plan.Lag, Async: s.plan.Async, Rungs: s.plan.Rungs.Resource, Seed: s.Session.Config.Seed, Prior: s.o.Prior,
		Metric: name, Parts: s.Bench.Parts(), Examples: s.Session.Train.Len(), HeldOut: s.Bench.HeldOut(),
	}
	return nil
}

// free errors where the folder cannot hold a new search.
func (s *Search) free() error {
	out := s.o.Config.Out
	if out == "" {
		return nil
	}
	if st, err := os.Stat(out); err == nil && !st.IsDir() {
		return option.Errorf("out", "%s is a file, not a folder", out)
	}
	if _, err := os.Lstat(filepath.Join(out, LogFile)); err == nil {
		return option.Errorf("out", "%s holds another search (%s): name another folder, or option resume to go on with it", out, LogFile)
	}
	if err := atomicfile.CheckDir(out); err != nil {
		return option.Errorf("out", "%w", err)
	}
	return nil
}

// reopen reads the log of the search that goes on.
func (s *Search) reopen() error {
	path := filepath.Join(s.o.Config.Out, LogFile)
	h, entries, _, err := ReadLog(path)
	if errors.Is(err, os.ErrNotExist) {
		return option.Errorf("out", "%s holds no search: it has no %s", s.o.Config.Out, LogFile)
	}
	if err != nil {
		return err
	}
	for _, d := range []struct {
		what     string
		was, now any
	}{
		{"model", h.Model, s.Header.Model}, {"training data", h.Data, s.Header.Data}, {"space", h.Space, s.Header.Space},
		{"algorithm", h.Algorithm, s.Header.Algorithm}, {"objectives", fmt.Sprint(h.Objectives), fmt.Sprint(s.Header.Objectives)},
		{"trials", h.Trials, s.Header.Trials}, {"lag", h.Lag, s.Header.Lag}, {"async", h.Async, s.Header.Async}, {"prior", h.Prior, s.Header.Prior}, {"seed", h.Seed, s.Header.Seed}, {"options", h.Options, s.Header.Options},
	} {
		if d.was != d.now {
			return option.Errorf("resume", "the search in %s has another %s: give what it began with, or another option out", s.o.Config.Out, d.what)
		}
	}
	s.Header.ID, s.Header.Tool = cmp.Or(h.ID, s.Header.ID), h.Tool
	if s.plan.Async {
		s.plan.First = nil
	}
	for _, e := range entries {
		if e.Final != nil {
			s.final = e.Final
		}
		key := [2]int{e.Trial, e.Rung}
		if _, known := s.done[key]; !known && e.Outcome != nil { // the first result of a task counts
			s.done[key] = e
		}
		// Without an order of results, proposals are taken from the log: there is one for each trial.
		if s.plan.Async && e.Final == nil && e.Trial == len(s.plan.First) {
			s.plan.First = append(s.plan.First, e.Point)
		}
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%s has %d results, which are not run again", path, len(s.done)))
	return nil
}

// warm makes the results of another search known.
func (s *Search) warm() error {
	path := filepath.Join(s.o.WarmStart, LogFile)
	h, entries, _, err := ReadLog(path)
	if err != nil {
		return option.Errorf("warm_start", "%w", err)
	}
	if h.Model != s.Header.Model || h.Data != s.Header.Data || !slices.Equal(h.Objectives, s.Header.Objectives) {
		return option.Errorf("warm_start", "the search in %s has another model, training data or objective", s.o.WarmStart)
	}
	best := map[int]Entry{} // the last rung of each trial
	for _, e := range entries {
		if e.Outcome != nil {
			best[e.Trial] = e
		}
	}
	outside := 0
	for n := range len(best) {
		e, ok := best[n]
		if !ok || e.Outcome.Failed != "" {
			continue
		}
		if s.Space.Check(e.Point) != nil {
			outside++
			continue
		}
		s.plan.Known = append(s.plan.Known, search.Result{Point: e.Point, State: search.Done, Values: values(s.o.Objectives, e.Outcome), Loss: e.Outcome.Loss})
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%d results of %s are known; %d lie outside of this space", len(s.plan.Known), s.o.WarmStart, outside))
	return nil
}

// Use makes a runner run the trials, in place of this process. Call it before Run, which closes it.
func (s *Search) Use(r Runner) { s.runner = r }

// Run runs the trials. When ctx ends, the search stops with what it has, and Run returns ctx's
// error; with a folder, another call with Options.Resume goes on from there.
func (s *Search) Run(ctx context.Context) error {
	defer s.runner.Close()
	if err := s.openLog(); err != nil {
		return err
	}
	if s.log != nil {
		defer s.log.Close()
	}
	began := time.Now()
	for {
		if s.o.Budget > 0 && time.Since(began) > s.o.Budget {
			s.planner.Stop()
		}
		tasks, err := s.next()
		if err == nil && len(tasks) > 0 {
			err = s.start(ctx, tasks)
		}
		if err != nil {
			return err
		}
		if s.planner.Finished() {
			return nil
		}
		if len(s.running) == 0 {
			return errors.New("trials: the search waits for nothing")
		}
		reports, err := s.runner.Next(ctx)
		if err != nil {
			return err
		}
		if err := s.take(reports); err != nil {
			return err
		}
	}
}

func (s *Search) openLog() (err error) {
	out := s.o.Config.Out
	switch {
	case out == "":
		return nil
	case s.o.Resume:
		s.log, _, _, err = OpenLog(filepath.Join(out, LogFile))
		return err
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	s.Header.Notes = s.Notes
	s.log, err = CreateLog(filepath.Join(out, LogFile), &s.Header)
	return err
}

// next are the tasks that may start now. Those that the log has results of are settled on the way.
func (s *Search) next() (tasks []search.Task, err error) {
	for len(tasks) < s.runner.Room() {
		t, ok := s.planner.Next()
		if !ok {
			break
		}
		key := [2]int{t.Trial, t.Rung}
		s.running[key] = t.Point
		old, done := s.done[key]
		if !done {
			tasks = append(tasks, t)
			continue
		}
		if old.Point.Digest() != t.Point.Digest() {
			return nil, fmt.Errorf("%s has other options for trial %d than this program proposes: go on with the version of Permafrost that began it, %s",
				filepath.Join(s.o.Config.Out, LogFile), t.Trial, s.Header.Tool)
		}
		s.settle(Entry{At: time.Now().UTC(), Trial: t.Trial, Rung: t.Rung, Point: t.Point, Worker: old.Worker, Outcome: old.Outcome})
	}
	return tasks, nil
}

// start hands tasks to the runner.
func (s *Search) start(ctx context.Context, tasks []search.Task) error {
	if s.plan.Async && s.log != nil { // see reopen
		var given []Entry
		for _, t := range tasks {
			given = append(given, Entry{At: time.Now().UTC(), Trial: t.Trial, Rung: t.Rung, Point: t.Point})
		}
		if err := s.log.Append(given...); err != nil {
			return err
		}
	}
	return s.runner.Start(ctx, tasks)
}

// take logs reports, and then settles those of tasks that have ended.
func (s *Search) take(reports []Report) error {
	var began, ended []Entry
	for _, r := range reports {
		point, ok := s.running[[2]int{r.Trial, r.Rung}]
		if !ok {
			continue // it has ended before
		}
		e := Entry{At: r.At.UTC(), Trial: r.Trial, Rung: r.Rung, Point: point, Worker: r.Worker, Outcome: r.Outcome}
		if r.Outcome == nil {
			began = append(began, e)
			continue
		}
		if !r.Began.IsZero() {
			b := r.Began.UTC()
			e.Began = &b
		}
		ended = append(ended, e)
	}
	if s.log != nil {
		if err := s.log.Append(append(slices.Clone(began), ended...)...); err != nil {
			return err
		}
	}
	for _, e := range began {
		if s.o.Started != nil {
			s.o.Started(e)
		}
	}
	for _, e := range ended {
		s.settle(e)
	}
	return nil
}

// settle gives a result to the planner.
func (s *Search) settle(e Entry) {
	delete(s.running, [2]int{e.Trial, e.Rung})
	s.planner.Report(e.Trial, e.Rung, values(s.o.Objectives, e.Outcome), e.Outcome.Loss)
	if !slices.Contains(s.waiting, e.Trial) {
		s.waiting = append(s.waiting, e.Trial)
	}
	s.waiting = slices.DeleteFunc(s.waiting, func(trial int) bool {
		over := s.planner.Over(trial)
		if over {
			s.runner.Drop(trial)
		}
		return over
	})
	s.Entries = append(s.Entries, e)
	if s.o.Ended != nil {
		s.o.Ended(e)
	}
}

// Record is what is known of the search so far.
func (s *Search) Record() *Record {
	return &Record{Header: s.Header, Space: s.Space, Entries: s.Entries, Final: s.final}
}

// Fit trains the best trial on all training examples, and measures it on the validation examples,
// which had no say before. It is a run like any other, in the folder best below that of the search.
func (s *Search) Fit(ctx context.Context, best Entry) (*run.Result, error) {
	cfg, err := whole(s.o.Config, best)
	if err != nil {
		return nil, err
	}
	final, err := s.Session.With(cfg, s.Session.Train, s.Session.Val)
	if err != nil {
		return nil, err
	}
	var dir *run.RunDir
	begun := false
	if cfg.Out != "" {
		final.Config.Out = filepath.Join(cfg.Out, BestDir)
		if dir, begun, err = openBest(ctx, final); err != nil {
			return nil, err
		}
	} else if err := final.Settle(ctx); err != nil {
		return nil, err
	}
	r, err := final.Fit(ctx, dir, begun)
	if err != nil {
		return nil, err
	}
	return r, s.end(best, r)
}

// openBest opens the folder of the last fit. It reports whether the fit had begun, before the search
// was stopped.
func openBest(ctx context.Context, final *run.Session) (dir *run.RunDir, begun bool, err error) {
	if _, err := os.Stat(filepath.Join(final.Config.Out, run.RunFile)); errors.Is(err, os.ErrNotExist) {
		if err := final.Settle(ctx); err != nil {
			return nil, false, err
		}
		dir, err = run.CreateRunDir(final.Config.Out, &final.Config)
		return dir, false, err
	}
	if dir, _, err = run.OpenRunDir(final.Config.Out); err != nil {
		return nil, false, err
	}
	begun, err = final.CheckResume(dir)
	return dir, begun, err
}

// end says in the log that the search has ended.
func (s *Search) end(best Entry, r *run.Result) error {
	s.final = &Final{Seconds: time.Since(s.began).Seconds(), Accuracy: r.Val.Accuracy(), Metric: r.Val.Named(), Loss: r.Val.Loss()}
	if s.o.Config.Out == "" {
		return nil
	}
	l, _, _, err := OpenLog(filepath.Join(s.o.Config.Out, LogFile))
	if err != nil {
		return err
	}
	return errors.Join(l.Append(Entry{At: time.Now().UTC(), Trial: best.Trial, Rung: best.Rung, Point: best.Point, Final: s.final}), l.Close())
}

// BestDir is the folder of the best run, in that of a search.
const BestDir = "best"
