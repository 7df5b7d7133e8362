package race

import (
	"context"
	"encoding/json"
	"fmt"
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
// result is a run like any other; its run.yaml repeats the fit without the race. The race itself is
// in race.json, in the result's Auto, and as events in the run's log and sinks. With an empty Out
// nothing is written. When ctx ends during the race, nothing has been written; when it ends during
// the fit, a checkpoint has.
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
	if err := s.ChoosePlace(ctx, sinks...); err != nil {
		return nil, err
	}
	log := &recorder{sinks: sinks}
	chosen, report, err := choosePlan(ctx, s, cfg, sets, log.emit)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	final, err := s.With(*chosen, s.Train, s.Val)
	if err != nil {
		return nil, err
	}
	if err := final.Check(); err != nil {
		return nil, err
	}
	final.Notes, final.Spent = s.Notes, report.Seconds
	if err := final.Settle(ctx, sinks...); err != nil {
		return nil, err
	}
	var dir *run.RunDir
	if cfg.Out != "" {
		if dir, err = run.CreateRunDir(cfg.Out, &final.Config); err != nil {
			return nil, err
		}
		b, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return nil, err
		}
		if err := dir.WriteFile(File, append(b, '\n')); err != nil {
			return nil, err
		}
		if err := log.write(dir); err != nil {
			return nil, err
		}
	}
	r, err := final.Fit(ctx, dir, false, sinks...)
	if err != nil {
		return nil, err
	}
	r.Auto = report
	return r, nil
}

// choosePlan gives the configuration to fit, and the report.
func choosePlan(ctx context.Context, s *run.Session, cfg config.Config, sets run.Sets, emit func(report.Event)) (*config.Config, *Report, error) {
	began := time.Now()
	near, notes, err := choose.Near(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	s.Notes = append(s.Notes, notes...)
	r, err := newRace(s, cfg, near, emit)
	if err != nil {
		return nil, nil, err
	}
	r.report = &Report{Metric: metricName(s.Task), Trials: []Trial{}, Candidates: []Candidate{}}
	var winner *candidate
	if s.Train.Len() >= minExamples && len(r.folds) > 1 {
		var advice *choose.Advice
		if task.KindOf(s.Task).Answers.Classes && s.Net.Headed.Fresh {
			if advice, err = choose.Advise(ctx, choose.AdviseOptions{Config: cfg, Sets: sets}); err != nil {
				return nil, nil, err
			}
			r.report.Advised = advice.Recommended.Thaw
		}
		field, err := r.enter(r.ladder(advice))
		if err != nil {
			return nil, nil, err
		}
		if winner, err = r.followAdvice(ctx, advice, field); err == nil && winner == nil {
			winner, err = r.run(ctx, field)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if winner != nil {
		r.conclude(winner)
	} else {
		if winner, err = r.candidate([]string{"head"}, 1, false); err != nil {
			return nil, nil, err
		}
		r.conclude(winner)
		r.report.Text = fmt.Sprintf("thaw head at %.3g", winner.cfg.LR)
		r.report.Why = fmt.Sprintf("%d training examples are too few to compare plans on: the head alone risks least.", s.Train.Len())
	}
	r.report.Seconds = time.Since(began).Seconds()
	emit(&report.ChoiceEvent{Thaw: r.report.Thaw, LR: r.report.LR, Epochs: r.report.Epochs, Text: r.report.Text, Why: r.report.Why, Seconds: r.report.Seconds})
	final := winner.cfg
	final.Out = cfg.Out
	return &final, r.report, nil
}

// metricName is the metric by which candidates are compared.
func metricName(t task.Task) string {
	name, _ := t.NewMetrics().Metric()
	return name
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

func (r *recorder) emit(e report.Event) {
	at := time.Now()
	r.kept = append(r.kept, record{at, e})
	for _, s := range r.sinks {
		s.Emit(at, e)
	}
}

// write writes the kept events to the log of a run.
func (r *recorder) write(dir *run.RunDir) error {
	log, err := dir.OpenLog()
	if err != nil {
		return err
	}
	for _, k := range r.kept {
		log.Emit(k.at, k.event)
	}
	return log.Close()
}
