package trials

import (
	"context"
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

// local runs tasks on a bench in this process, one after another.
type local struct {
	bench *Bench
	queue []search.Task
	begun bool // the first of the queue
}

func (l *local) Room() int { return 1 - len(l.queue) }

func (l *local) Start(_ context.Context, tasks []search.Task) error {
	l.queue = append(l.queue, tasks...)
	return nil
}

func (l *local) Next(ctx context.Context) ([]Report, error) {
	t := l.queue[0]
	if !l.begun {
		l.begun = true
		return []Report{{Trial: t.Trial, Rung: t.Rung, At: time.Now()}}, nil
	}
	of, err := l.bench.Run(ctx, t)
	if err != nil {
		return nil, err
	}
	l.queue, l.begun = l.queue[1:], false
	return []Report{{Trial: t.Trial, Rung: t.Rung, At: time.Now(), Outcome: &of}}, nil
}

func (l *local) Drop(trial int) { l.bench.Drop(trial) }
func (l *local) Close()         { l.bench.Close() }
