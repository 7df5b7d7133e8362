package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Fit trains a session. With dir it also writes a run directory: checkpoints during the run, and
// the tuned model with its proof at the end. Events go to the run's log and to sinks. An
// interrupted run leaves a checkpoint; with resume, Fit continues from it to the same bits as an
// uninterrupted run.
func (s *Session) Fit(ctx context.Context, dir *RunDir, resume bool, sinks ...report.Sink) (*Result, error) {
	return s.fit(ctx, dir, resume, nil, sinks...)
}

// fit is Fit with an optional hold, which is called before the first optimiser step and after each.
func (s *Session) fit(ctx context.Context, dir *RunDir, resume bool, hold func(*loop, *report.StepEvent), sinks ...report.Sink) (*Result, error) {
	defer kernel.Use(s.Config.Threads)()
	began := time.Now()
	if err := s.settle(ctx, nil); err != nil { // CheckResume has settled a run that resumes
		return nil, err
	}
	if s.Brief {
		s.digests = map[string]string{}
	} else if s.digests == nil {
		s.digests = freeze.DigestsBy(s.Net.Set, s.Plans.Ever, s.Base.Sum)
	}
	f := &loop{session: s, dir: dir, frontier: s.before, holder: holder{pause: hold}, events: report.NewEvents(sinks...)}
	defer f.kept.best.drop()
	plan, err := planText(s.Plans.Reach)
	if err != nil {
		return nil, err
	}
	f.st.Config, f.st.Plan, f.st.Version = s.Config, plan, version.Version
	f.st.Seconds = s.Spent
	if dir != nil {
		if f.st.Identity, err = s.identity(); err != nil {
			return nil, err
		}
		if f.st.Identity.Data == f.st.Identity.Val {
			s.Notes = append(s.Notes, "the validation examples are the training examples: what is measured on them says nothing of new ones")
		}
		if err := dir.WriteFile(PlanFile, append(plan, '\n')); err != nil {
			return nil, err
		}
		log, err := dir.OpenLog()
		if err != nil {
			return nil, err
		}
		defer log.Close()
		f.events.Subscribe(log)
	}
	if f.session.Config.TensorBoard && dir != nil {
		f.board = &board{loop: f}
		defer f.board.close()
		f.events.Subscribe(f.board)
	}
	f.announce()
	if f.session.stage.schedule != nil && !resume {
		f.events.Emit(f.planChange(f.session.Plans.Reach, f.session.Plans.Now))
	}
	if err := f.fit(ctx, resume); err != nil {
		end := &report.RunEnd{Status: "failed", Error: err.Error(), Epochs: f.st.Epoch, BestEpoch: f.bestEpoch(), Seconds: time.Since(began).Seconds(), PeakRSS: report.PeakRSS()}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			end.Status, end.Error = "interrupted", ""
		}
		f.board.complain()
		f.events.Emit(end)
		return nil, err
	}
	return f.finish(began)
}

// announce emits what is known before any example is read.
func (f *loop) announce() {
	data, plan := f.session.events()
	data.Digest = f.st.Identity.Data
	f.events.Emit(data)
	f.events.Emit(plan)
	for _, n := range slices.Concat(f.session.Notes, f.session.transcriptNotes()) {
		f.events.Emit(&report.Warning{Message: n})
	}
}

// events describe the data, but for their digest, and the plan.
func (s *Session) events() (*report.DataEvent, *report.PlanEvent) {
	var names []string
	thawed := s.Plans.Reach.Thawed(s.Net.Set)
	thawed.Each(func(w *freeze.Weight, _ freeze.Entry) { names = append(names, w.Name) })
	_, frontier, err := s.Net.FrontierTypes(1)
	if err != nil { // the first use of the frontier reports and returns it
		frontier = nil
	}
	return &report.DataEvent{Task: s.Task.Name(), Classes: s.Task.Names(), Train: s.Train.Len(), Val: s.Val.Len(), Counts: s.Train.Counts(), Damaged: len(s.Train.Skipped) + len(s.Val.Skipped)},
		&report.PlanEvent{Digest: s.Plans.Reach.Digest(), Thaw: s.Plans.Reach.Thaw, Freeze: s.Plans.Reach.Freeze, Schedule: s.Config.Schedule, ParamsTotal: s.Net.Set.Elements(), ParamsThawed: thawed.Elements(),
			TensorsThawed: names, Frontier: frontier, FrozenDigest: freeze.Total(s.digests)}
}

// bestEpoch is the best epoch, from 1; 0 without one.
func (f *loop) bestEpoch() int {
	if !f.st.Best.Found {
		return 0
	}
	return f.st.Best.Epoch + 1
}

// finish writes the tuned model and its proof, and returns the result.
func (f *loop) finish(began time.Time) (*Result, error) {
	after := f.session.digests
	if !f.session.Brief {
		after = freeze.Digests(f.session.Net.Set, f.session.Plans.Ever)
	}
	r := &Result{
		Session: f.session,
		Epochs:  f.st.Epoch, Examples: f.session.Train.Len(), Plan: f.session.Plans.Ever, CacheBytes: f.cached, Classes: f.session.Task.Names(),
		FrozenDigestBefore: freeze.Total(f.session.digests), FrozenDigestAfter: freeze.Total(after), BestEpoch: f.bestEpoch(),
		ParamsTotal: f.session.Net.Set.Elements(), ParamsThawed: f.session.Plans.Ever.Thawed(f.session.Net.Set).Elements(),
		FrozenAgain: f.session.frozenAgain(),
	}
	for _, e := range f.st.History {
		r.EpochSeconds = append(r.EpochSeconds, e.Seconds)
	}
	if at := f.keptEpoch(); at >= 0 {
		e := f.st.History[at]
		r.TrainAccuracy, r.TrainLoss = float64(e.TrainAccuracy), float64(e.TrainLoss)
		r.validated(e.Val)
		r.Each = f.each
		r.TrainMetric, r.ValBefore = e.TrainMetric, f.st.Before
	}
	if h, ok := f.session.Helpers.(Helped); ok {
		s := h.Sum()
		r.Shared = &s
	}
	r.Temperature = cmp.Or(f.session.temperature, 1)
	if f.final != nil {
		r.validated(f.final)
	}
	if r.Temperature != 1 && !f.session.Net.Headed.Fresh {
		f.events.Emit(&report.Warning{Message: fmt.Sprintf("the temperature %.3g is in the metadata of the tuned file: permafrost divides the scores by it, other runtimes give them as the head does", r.Temperature)})
	}
	if !f.session.Brief {
		r.Diagnosis = f.diagnose()
		f.events.Emit(r.Diagnosis)
	}
	end := &report.RunEnd{Status: "done", Epochs: r.Epochs, BestEpoch: r.BestEpoch, FrozenDigest: r.FrozenDigestAfter, ParamsThawed: r.ParamsThawed}
	if f.st.Epoch < f.session.Config.Epochs {
		end.Status = "stopped"
	}
	if f.dir != nil {
		r.Mistakes, r.MistakesCount = f.ofWritten()
		r.Out = f.dir.Path
		n, err := f.write(after)
		if err != nil {
			return nil, err
		}
		end.ModelBytes = n
	}
	r.Seconds = f.st.Seconds + time.Since(began).Seconds()
	r.PeakRSS = report.PeakRSS()
	end.Seconds, end.PeakRSS = r.Seconds, r.PeakRSS
	f.board.complain()
	var err error
	if end.Result, err = json.Marshal(r); err != nil {
		return nil, err
	}
	f.events.Emit(end)
	return r, nil
}

// keptEpoch is the epoch whose weights are written, -1 if no epoch was finished.
func (f *loop) keptEpoch() int {
	if f.session.Config.Keep == "best" && f.st.Best.Found {
		return f.st.Best.Epoch
	}
	return len(f.st.History) - 1
}
