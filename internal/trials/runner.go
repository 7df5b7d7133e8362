package trials

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/permafrost-ml/permafrost/internal/search"
)

// Runner runs the tasks of a search, in this process or on workers. A search calls it from one
// goroutine.
type Runner interface {
	// Room is how many further tasks it takes now. It may take none only while it has some.
	Room() int
	// Start takes tasks, and does not wait for them.
	Start(ctx context.Context, tasks []search.Task) error
	// Next waits until a task has begun or ended, and reports all that have. Every task ends once;
	// its beginning may go unreported. An error ends the search.
	Next(ctx context.Context) ([]Report, error)
	// Drop says that a trial goes no further, so that what is kept of it may go.
	Drop(trial int)
	// Close gives up what has not ended.
	Close()
}

// Report is the beginning of a task, or its end with an outcome.
type Report struct {
	Trial, Rung int
	Worker      string // "" for this process
	At          time.Time
	Began       time.Time // of one that has ended; zero where its beginning was reported
	Outcome     *Outcome
}

// local runs tasks on a bench in this process, all that it was given together.
type local struct {
	bench *Bench
	queue []search.Task         // given, and not begun
	next  func() (Report, bool) // of the tasks at work; nil: none
	stop  func()
	left  int // tasks at work that have not ended
	err   error
}

// mostTogether limits the tasks that run together, and with them the memory of trials that begin.
const mostTogether = 16

var errStopped = errors.New("the search has stopped")

func (l *local) Room() int {
	if l.next != nil {
		return 0
	}
	return mostTogether - len(l.queue)
}

func (l *local) Start(_ context.Context, tasks []search.Task) error {
	l.queue = append(l.queue, tasks...)
	return nil
}

func (l *local) Next(ctx context.Context) ([]Report, error) {
	if l.next == nil {
		return l.begin(ctx), nil
	}
	r, ok := l.next()
	if l.left--; ok && l.left == 0 {
		_, _ = l.next() // it ends
	}
	if !ok || l.left == 0 {
		l.next = nil
	}
	if l.err != nil {
		return nil, l.err
	}
	return []Report{r}, nil
}

// begin starts all tasks. They go on while the caller deals with reports; the bench is not called
// meanwhile.
func (l *local) begin(ctx context.Context) (began []Report) {
	tasks := l.queue
	l.queue, l.left = nil, len(tasks)
	for _, t := range tasks {
		began = append(began, Report{Trial: t.Trial, Rung: t.Rung, At: time.Now()})
	}
	l.next, l.stop = iter.Pull(func(yield func(Report) bool) {
		l.err = l.bench.RunAll(ctx, tasks, func(i int, of Outcome) error {
			if !yield(Report{Trial: tasks[i].Trial, Rung: tasks[i].Rung, At: time.Now(), Outcome: &of}) {
				return errStopped
			}
			return nil
		})
	})
	return began
}

func (l *local) Drop(trial int) { l.bench.Drop(trial) }

func (l *local) Close() {
	if l.next != nil {
		l.stop()
	}
	l.bench.Close()
}
