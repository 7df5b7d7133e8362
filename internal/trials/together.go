package trials

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Run takes a trial to the end of a rung. What can be wrong with a trial is told by
// Outcome.Failed; an error ends the search. A trial whose beginning another process ran, or that a
// killed one left, is run again from its start, to the same result.
func (b *Bench) Run(ctx context.Context, t search.Task) (of Outcome, err error) {
	err = b.RunAll(ctx, []search.Task{t}, func(_ int, o Outcome) error { of = o; return nil })
	return of, err
}

// RunAll is Run for several trials, which share their work. Frozen values are computed once for all,
// those nearest to the input first, as the others are computed from them. Then as many fits train at
// a time as there are threads, each by itself. Each trial has the result of Run, to the bit.
//
// ended is called on the caller's goroutine with the index of a task and its outcome, in the order in
// which they end. If it errors, so does RunAll.
func (b *Bench) RunAll(ctx context.Context, tasks []search.Task, ended func(i int, of Outcome) error) error {
	var jobs []*job
	for i, t := range tasks {
		j := &job{index: i, task: t, of: b.open[t.Trial], left: len(b.parts), failed: len(b.parts), measured: make([]*task.Metrics, len(b.parts))}
		began := time.Now()
		if j.of == nil {
			j.of = &trial{fits: make([]*run.Held, len(b.parts))}
			reason, err := b.ready(ctx, j)
			if err != nil {
				return canceled(ctx, err)
			}
			if reason != "" {
				if err := ended(i, Outcome{Failed: reason}); err != nil {
					return err
				}
				continue
			}
		}
		b.open[t.Trial] = j.of
		j.seconds = time.Since(began).Seconds()
		jobs = append(jobs, j)
	}
	slices.SortStableFunc(jobs, func(x, y *job) int { return cmp.Compare(x.frozen, y.frozen) })
	for _, j := range jobs {
		if j.first == nil {
			continue
		}
		began := time.Now()
		var err error
		if j.kept, err = b.shelf.At(ctx, j.first.Net, j.first.KeepOptions()); err != nil {
			return canceled(ctx, err)
		}
		j.seconds += time.Since(began).Seconds()
	}
	// The longest begin first, so that none is left alone at the end.
	slices.SortStableFunc(jobs, func(x, y *job) int { return cmp.Compare(y.of.outcome.Work, x.of.outcome.Work) })
	return canceled(ctx, b.trainAll(ctx, jobs, ended))
}

// canceled is ctx's error in place of one that it led to.
func canceled(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// job is a task at work.
type job struct {
	index int
	task  search.Task
	of    *trial

	// of a trial that begins
	first  *run.Session // the fit of the first part; nil once it began
	kept   *keep.Kept   // the frozen values of all training examples; nil: the fits have their own
	frozen float64      // work of the frozen part for an example

	mu       sync.Mutex
	left     int             // parts that have not ended
	measured []*task.Metrics // by part
	epochs   int             // that each part has trained
	seconds  float64
	failed   int    // the first part that failed; the number of parts where none did
	why      string // it failed
}

// ready prepares a trial that begins. It gives the reason where the trial cannot run.
func (b *Bench) ready(ctx context.Context, j *job) (reason string, err error) {
	s, err := b.prepare(j.task.Point, b.parts[0].train, b.parts[0].held)
	if err != nil {
		return err.Error(), nil
	}
	if err := s.Check(); err != nil {
		return err.Error(), nil
	}
	c, err := b.cost(ctx, s)
	if err != nil {
		return "", err
	}
	of, err := s.Work()
	if err != nil {
		return "", err
	}
	w, err := work(s, len(b.parts))
	if err != nil {
		return "", err
	}
	j.first, j.frozen, j.of.step = s, of.Frozen, s.StepBytes()
	j.of.outcome = Outcome{ParamsTotal: s.ParamsTotal(), ParamsThawed: s.Plans.Ever.Thawed(s.Net.Set).Elements(), Bytes: c.bytes, LatencyMS: c.latency, Work: w, LR: s.Config.LR}
	return over(b.limits, j.of.outcome), nil
}

// trainAll trains the fits of jobs beside each other.
func (b *Bench) trainAll(ctx context.Context, jobs []*job, ended func(i int, of Outcome) error) error {
	type unit struct {
		*job
		part int
	}
	units := make(chan unit, len(jobs)*len(b.parts))
	for _, j := range jobs {
		for k := range b.parts {
			units <- unit{j, k}
		}
	}
	close(units)
	steps, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	n := min(kernel.Threads(), len(units), beside(jobs))
	over := make(chan *job, len(jobs))
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			defer kernel.Beside()()
			for u := range units {
				began := time.Now()
				if err := b.trainPart(steps, u.job, u.part); err != nil {
					stop(err)
				}
				if u.end(time.Since(began).Seconds() / float64(n)) {
					over <- u.job
				}
			}
		})
	}
	go func() { all.Wait(); close(over) }()
	for j := range over {
		if steps.Err() != nil {
			continue
		}
		of := b.outcome(j)
		if of.Failed != "" || !j.of.going() {
			b.Drop(j.task.Trial)
		}
		if err := ended(j.index, of); err != nil {
			stop(err)
		}
	}
	return context.Cause(steps)
}

// stepMemory limits the training steps that run beside each other, in bytes. A step that needs a
// good part of it is large enough to use all threads.
const stepMemory = 1 << 30

// beside is how many fits of the jobs may train at a time.
func beside(jobs []*job) int {
	most := int64(0)
	for _, j := range jobs {
		most = max(most, j.of.step)
	}
	return fitsBeside(most)
}

// fitsBeside is how many fits may train at a time whose steps need so many bytes.
func fitsBeside(bytes int64) int { return int(max(1, stepMemory/max(1, bytes))) }

// trainPart goes on with the fit of one part, or begins it.
func (b *Bench) trainPart(ctx context.Context, j *job, k int) error {
	if ctx.Err() != nil || j.failedBefore(k) {
		return nil
	}
	f := j.of.fits[k]
	if f == nil {
		s := j.first
		if k > 0 {
			var err error
			if s, err = b.prepare(j.task.Point, b.parts[k].train, b.parts[k].held); err != nil {
				j.fail(k, err.Error())
				return nil
			}
		}
		if j.kept != nil {
			s.TakeFrom(j.kept, b.parts[k].trainAt, b.parts[k].heldAt)
		}
		var err error
		if f, err = b.hold(ctx, s, k); err != nil {
			return j.failOr(k, err)
		}
		j.of.fits[k] = f
	}
	m, whole, err := trainTo(ctx, f, j.task.To)
	if err != nil {
		return j.failOr(k, err)
	}
	step, epoch, _ := f.Progress()
	j.measure(k, m, (step+epoch-1)/epoch)
	if whole {
		j.of.fits[k] = nil
		return f.Close()
	}
	return nil
}

// trainTo trains a fit to a share of its epochs in percent, 0 for all of them, and measures it. It
// reports whether the fit is over.
func trainTo(ctx context.Context, f *run.Held, percent int) (m *task.Metrics, over bool, err error) {
	step, epoch, all := f.Progress()
	target := all
	if percent > 0 {
		target = min(all, epoch*max(1, int(math.Round(float64(all/epoch)*float64(percent)/100))))
	}
	for ; step < target; step, _, _ = f.Progress() {
		if _, err := f.Step(ctx); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, false, err
		}
	}
	if target < all {
		m, err = f.Eval(ctx)
		return m, false, err
	}
	r, err := f.Finish(ctx)
	if err != nil {
		return nil, false, err
	}
	return r.Val, true, nil
}

func (j *job) measure(k int, m *task.Metrics, epochs int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.measured[k], j.epochs = m, epochs
}

// fail says why a part failed. The first one counts, whichever ends first.
func (j *job) fail(k int, why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if k < j.failed {
		j.failed, j.why = k, why
	}
}

// failOr fails a part that diverged. Other errors end the search.
func (j *job) failOr(k int, err error) error {
	var diverged *run.DivergedError
	if !errors.As(err, &diverged) {
		return err
	}
	j.fail(k, "its loss became infinite or not a number")
	return nil
}

func (j *job) failedBefore(k int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed < k
}

// end is called once for each part, and reports whether it was the last.
func (j *job) end(seconds float64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seconds += seconds
	j.left--
	return j.left == 0
}

// outcome is that of a job whose parts have all ended.
func (b *Bench) outcome(j *job) Outcome {
	of := &j.of.outcome
	of.Seconds += j.seconds
	if j.failed < len(b.parts) {
		of.Failed = j.why
		return *of
	}
	total := b.session.Task.NewMetrics()
	for _, m := range j.measured {
		total.Merge(m)
	}
	score := total.Score()
	of.Epochs = j.epochs
	if !score.Finite() {
		of.Failed = "its score became infinite or not a number"
		return *of // with the score of the rung before: the log holds finite numbers only
	}
	of.Score, of.Loss, of.Metric = score.Metric, score.Loss, total.Named()
	return *of
}
