package auto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Check errors where an option fixes what auto would choose, or contradicts it.
func Check(cfg *config.Config) error {
	switch {
	case len(cfg.Thaw) > 0 && !slices.Equal(cfg.Thaw, []string{"head"}):
		return fmt.Errorf("option auto chooses what to thaw: leave option thaw %s out, or option auto", cfg.Thaw[0])
	case cfg.Schedule != "":
		return fmt.Errorf("option auto chooses one plan for the whole run: leave option schedule %s out, or option auto", cfg.Schedule)
	case cfg.Adapter != "":
		return fmt.Errorf("option auto chooses what to thaw, and an adapter freezes everything: leave option adapter %s out, or option auto", cfg.Adapter)
	}
	return nil
}

// Fit chooses what to thaw, at which learning rate and for how many epochs, and then fits so. The
// result is a run like any other; its run.yaml repeats the fit without the search. The search itself
// is in race.json, in the result's Auto, and as events in the run's log and sinks. With an empty Out
// nothing is written.
//
// The head alone is fitted first: the run folder holds a model from then on, and that of a better
// choice takes its place when it is finished. When ctx ends after that, the folder holds the best
// model so far, and the error is that of ctx. The option budget ends the search and the fit
// likewise, without an error.
func Fit(ctx context.Context, cfg config.Config, sets run.Sets, sinks ...report.Sink) (*run.Result, error) {
	if err := Check(&cfg); err != nil {
		return nil, err
	}
	if cfg.Out != "" {
		if err := run.CheckRunDir(cfg.Out); err != nil {
			return nil, err
		}
	}
	s, err := run.PrepareOn(ctx, cfg, sets)
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := s.Try(ctx); err != nil {
		return nil, err
	}
	if err := s.WeighPlace(ctx, sinks...); err != nil {
		return nil, err
	}
	log := &recorder{sinks: sinks}
	near, notes, err := choose.Near(ctx, s)
	if err != nil {
		return nil, err
	}
	s.Notes = append(s.Notes, notes...)
	a, err := begin(s, cfg, sets, near, log.emit)
	if err != nil {
		return nil, err
	}
	l := &last{auto: a, session: s, log: log, sinks: sinks}
	if err := l.first(ctx); err != nil {
		return nil, err
	}
	won, err := a.choose(ctx)
	if err != nil {
		return nil, err
	}
	return l.fit(ctx, won)
}

// begin prepares the search. Examples that are nearly equal stay together in the parts.
func begin(s *run.Session, cfg config.Config, sets run.Sets, near []int, emit func(report.Event)) (*auto, error) {
	name, _ := s.Task.NewMetrics().Metric()
	a := &auto{session: s, user: cfg, emit: emit, began: time.Now(), encoded: map[string]bool{},
		report: &Report{Metric: name, Trials: []Trial{}, Candidates: []Candidate{}, Examples: s.Train.Len()}}
	var err error
	a.regularise(sets)
	if a.parts, err = divide(s, near); err != nil {
		return nil, err
	}
	return a, a.enter()
}

// choose searches for the best choice.
func (a *auto) choose(ctx context.Context) (won int, err error) {
	b := &bench{session: a.session, choices: a.choices, parts: a.parts, changed: &a.changed}
	defer b.close()
	a.trainer = b
	switch {
	case a.session.Train.Len() < minExamples || len(a.parts) < 2:
		a.reason = fmt.Sprintf("%d training examples are too few to compare plans on: the head alone risks least.", a.session.Train.Len())
	default:
		if task.KindOf(a.session.Task).Answers.Classes && a.session.Net.Headed.Fresh {
			if a.advice, err = choose.Advise(ctx, choose.AdviseOptions{Config: a.user, Session: a.session}); err != nil {
				return 0, err
			}
			a.report.Advised = a.advice.Recommended.Thaw
		}
		if err := a.heads(ctx); err != nil {
			return 0, err
		}
		if a.sure() {
			a.believe()
			a.reason = "Advice is sure that the frozen trunk suits the task, so nothing deeper was tried. " + a.advice.Recommended.Why
		} else if won, err = a.search(ctx); err != nil {
			return 0, err
		}
	}
	a.conclude(won)
	a.report.Seconds = time.Since(a.began).Seconds()
	r := a.report
	a.emit(&report.ChoiceEvent{Thaw: r.Thaw, LR: r.LR, Epochs: r.Epochs, Text: r.Text, Why: r.Why, Seconds: r.Seconds})
	return won, ctx.Err()
}

// last makes the models that the run folder holds: first that of the head alone, then that of the
// choice.
type last struct {
	auto    *auto
	session *run.Session
	dir     *run.RunDir // nil: nothing is written
	log     *recorder   // what the search said
	sinks   []report.Sink

	head            *run.Result
	settled, events *recorder // of the head's fit: before it and in it
}

// first fits the head alone. Its events go to the log only: they are shown once it is the choice.
func (l *last) first(ctx context.Context) error {
	l.settled, l.events = &recorder{}, &recorder{}
	s, err := l.prepare(ctx, 0, l.settled)
	if err != nil {
		return err
	}
	if l.auto.user.Out != "" {
		if l.dir, err = run.CreateRunDir(l.auto.user.Out, &s.Config); err != nil {
			return err
		}
	}
	if l.head, err = s.Fit(ctx, l.dir, false, l.events); err != nil {
		return err
	}
	score := l.auto.metric(l.head.Val.Score().Metric)
	if l.dir != nil {
		l.log.emit(&report.Warning{Message: fmt.Sprintf("%s is a first model: the head alone, %s on validation. The search for a better one %s; an interrupt ends with the best so far",
			l.dir.File(run.ModelFile), score, l.auto.ahead(time.Since(l.auto.began)))})
	}
	return nil
}

// prepare makes the session of a choice's fit to all training examples.
func (l *last) prepare(ctx context.Context, c int, sinks ...report.Sink) (*run.Session, error) {
	tr := l.session.Train
	if l.auto.choices[c].changes {
		var err error
		if tr, err = l.auto.changed.train(ctx); err != nil {
			return nil, err
		}
	}
	s, err := l.session.With(l.auto.choices[c].cfg, tr, l.session.Val)
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	s.Notes, s.Spent = l.session.Notes, time.Since(l.auto.began).Seconds()
	return s, s.Settle(ctx, sinks...)
}

// fit puts the choice's model into the run folder.
func (l *last) fit(ctx context.Context, won int) (*run.Result, error) {
	if won == 0 {
		return l.keepHead()
	}
	s, err := l.prepare(ctx, won, l.sinks...)
	if err != nil {
		return nil, err
	}
	if err := l.restart(s); err != nil {
		return nil, err
	}
	r, err := l.train(ctx, s)
	var diverged *run.DivergedError
	switch {
	case errors.As(err, &diverged):
		l.log.emit(&report.Warning{Message: fmt.Sprintf("the fit of the choice diverged (%v): the head alone is kept", err)})
	case err != nil:
		return nil, err
	case r.Epochs >= s.Config.Epochs || !l.head.Val.Score().Better(r.Val.Score()):
		r.Auto = l.auto.report
		return r, ctx.Err()
	}
	return l.headAgain(ctx)
}

// train fits, and ends at the end of ctx or of the budget with the best epoch so far.
func (l *last) train(ctx context.Context, s *run.Session) (*run.Result, error) {
	whole := context.WithoutCancel(ctx)
	h, err := s.Hold(whole, l.dir, false, l.sinks...)
	if err != nil {
		return nil, err
	}
	defer h.Close() // of a fit that has ended
	budget := l.auto.user.Budget
	for {
		if ctx.Err() != nil || budget > 0 && time.Since(l.auto.began) > budget {
			return h.Finish(whole)
		}
		if _, err := h.Step(whole); errors.Is(err, io.EOF) {
			return h.Finish(whole)
		} else if err != nil {
			return nil, err
		}
	}
}

// keepHead leaves the head's run as it is, with the story of the search before it.
func (l *last) keepHead() (*run.Result, error) {
	if l.dir != nil {
		if err := os.Remove(l.dir.File(run.EventsFile)); err != nil {
			return nil, err
		}
		if err := l.tell(l.events); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.Concat(l.settled.kept, l.events.kept) {
		for _, s := range l.sinks {
			s.Emit(k.at, k.event)
		}
	}
	l.head.Auto = l.auto.report
	l.head.Seconds = time.Since(l.auto.began).Seconds()
	return l.head, nil
}

// headAgain fits the head again, where the run folder was begun for another choice.
func (l *last) headAgain(ctx context.Context) (*run.Result, error) {
	s, err := l.prepare(context.WithoutCancel(ctx), 0, l.sinks...)
	if err != nil {
		return nil, err
	}
	if err := l.restart(s); err != nil {
		return nil, err
	}
	r, err := s.Fit(context.WithoutCancel(ctx), l.dir, false, l.sinks...)
	if err != nil {
		return nil, err
	}
	r.Auto = l.auto.report
	return r, ctx.Err()
}

// restart empties the run folder for the fit of a session, and begins its log with the search.
func (l *last) restart(s *run.Session) error {
	if l.dir == nil {
		return nil
	}
	if err := l.dir.Restart(&s.Config); err != nil {
		return err
	}
	return l.tell()
}

// tell writes the report of the search, and its events, with those of others after them, as the
// first of the run's log.
func (l *last) tell(others ...*recorder) error {
	b, err := json.MarshalIndent(l.auto.report, "", "  ")
	if err != nil {
		return err
	}
	if err := l.dir.WriteFile(File, append(b, '\n')); err != nil {
		return err
	}
	log, err := l.dir.OpenLog()
	if err != nil {
		return err
	}
	for _, r := range append([]*recorder{l.log}, others...) {
		r.write(log)
	}
	return log.Close()
}

// recorder passes events on, and keeps them for a log that is opened later.
type recorder struct {
	sinks []report.Sink
	kept  []record
}

type record struct {
	at    time.Time
	event report.Event
}

func (r *recorder) emit(e report.Event) { r.Emit(time.Now(), e) }

// Emit makes a recorder a sink.
func (r *recorder) Emit(at time.Time, e report.Event) {
	r.kept = append(r.kept, record{at, e})
	for _, s := range r.sinks {
		s.Emit(at, e)
	}
}

// write writes the kept events to a log.
func (r *recorder) write(log *report.Log) {
	for _, k := range r.kept {
		log.Emit(k.at, k.event)
	}
}
