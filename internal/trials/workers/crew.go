package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// Crew is the workers of a search, as the search sees them.
type Crew struct {
	c    *cluster.Cluster
	tell func(string)
	here bool

	mu     sync.Mutex
	begun  []trials.Report
	lines  []string // for a person
	queue  string
	joined bool          // a worker has been seen
	woken  chan struct{} // has a place for one, full while something is to be looked at
}

// flushEvery is how often a server of the search's own flushes. No result counts before the log of the
// search has it, and a job whose result was lost before that is run again.
const flushEvery = time.Second

// Options say where the workers of a search meet it.
type Options struct {
	Cluster cluster.Options // without Version, Event and Flush
	// Here says that all workers find the model and the data where the search has them.
	Here bool
	// Tell is given lines for a person, from the goroutine of the search.
	Tell func(string)
}

// Open connects to the cluster or starts a server of its own.
func Open(ctx context.Context, o Options) (*Crew, error) {
	c := &Crew{tell: o.Tell, here: o.Here, woken: make(chan struct{}, 1)}
	o.Cluster.Version, o.Cluster.Event, o.Cluster.Flush = version(), c.event, flushEvery
	var err error
	c.c, err = cluster.Open(ctx, o.Cluster)
	return c, err
}

// URL is what workers connect to.
func (c *Crew) URL() string { return c.c.URL() }

// Traffic is what went over the connection of the search.
func (c *Crew) Traffic() cluster.Traffic { return c.c.Traffic() }

// Close leaves the cluster. What workers were given stays theirs.
func (c *Crew) Close() { c.c.Close() }

// event takes what the cluster says.
func (c *Crew) event(e cluster.Event) {
	switch e.Kind {
	case cluster.Started:
		t, ok := taskOf(e.Job)
		c.mu.Lock()
		c.joined = true
		if ok && e.Queue == c.queue {
			c.begun = append(c.begun, trials.Report{Trial: t[0], Rung: t[1], Worker: e.Worker, At: time.Now()})
		}
		c.mu.Unlock()
		c.wake()
		return
	case cluster.Joined:
		c.mu.Lock()
		c.joined = true
		c.mu.Unlock()
	case cluster.Dropped: // a late result, which is no news
		return
	}
	if e.Text == "" {
		return
	}
	c.mu.Lock()
	running := c.queue != ""
	if running {
		c.lines = append(c.lines, e.Text)
	}
	c.mu.Unlock()
	if !running { // nothing else is told meanwhile
		c.tell(e.Text)
	}
	c.wake()
}

func (c *Crew) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// runner runs tasks on the workers of a crew.
type runner struct {
	*Crew
	queue  *cluster.Queue
	kit    cluster.Digest
	paced  bool                      // no more tasks than workers
	most   int                       // tasks that are given out at a time
	open   map[string]bool           // jobs without a result
	early  map[string]cluster.Result // of jobs that an earlier process gave out, and this one has not
	owner  map[int]string            // the worker that has a trial which may go on
	census int                       // workers at the last count

	results chan cluster.Result
	failed  chan error
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	warned  bool
}

// Runner runs the trials of a search on the crew. Paced gives out no more tasks than there are
// workers.
func (c *Crew) Runner(ctx context.Context, s *trials.Search, paced bool) (trials.Runner, error) {
	kit, err := pack(ctx, c.c, s, c.here)
	if err != nil {
		return nil, err
	}
	r := &runner{Crew: c, kit: kit, paced: paced || s.Header.Async, most: 2 * s.Header.Lag, open: map[string]bool{}, early: map[string]cluster.Result{}, owner: map[int]string{},
		results: make(chan cluster.Result, 256), failed: make(chan error, 1)}
	c.mu.Lock()
	c.queue = s.Header.ID
	c.mu.Unlock()
	if r.queue, err = c.c.OpenQueue(ctx, group, s.Header.ID); err != nil {
		return nil, err
	}
	reading, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.ended.Go(func() { r.read(reading) })
	if r.paced {
		r.ended.Go(func() { r.count(reading) })
	}
	return r, nil
}

// read hands results on until ctx ends.
func (r *runner) read(ctx context.Context) {
	for {
		res, err := r.queue.Next(ctx)
		if err != nil {
			r.failed <- err
			return
		}
		select {
		case r.results <- res:
		case <-ctx.Done():
			return
		}
	}
}

// count asks again and again how many workers there are.
func (r *runner) count(ctx context.Context) {
	const answering, every = 500 * time.Millisecond, 3 * time.Second
	for ctx.Err() == nil {
		if all, err := r.queue.Workers(ctx, answering); err == nil {
			r.mu.Lock()
			changed := r.census != len(all)
			r.census = len(all)
			r.mu.Unlock()
			if changed {
				r.wake()
			}
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
		}
	}
}

func (r *runner) Room() int {
	if !r.paced {
		return r.most - len(r.open)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(1, r.census) - len(r.open)
}

func (r *runner) Start(ctx context.Context, tasks []search.Task) error {
	var jobs []cluster.Submission
	for _, t := range tasks {
		open := make([]int, 0, len(r.owner))
		for trial := range r.owner {
			open = append(open, trial)
		}
		slices.Sort(open)
		b, err := json.Marshal(job{Kit: r.kit, Task: t, Open: open})
		if err != nil {
			return err
		}
		id := jobOf(t)
		r.open[id] = true
		if _, done := r.early[id]; done {
			r.wake()
			continue
		}
		jobs = append(jobs, cluster.Submission{ID: id, Body: b, Prefer: r.owner[t.Trial]})
	}
	return r.queue.Submit(ctx, jobs...)
}

// noWorker is how long a search waits for a worker before it says so.
const noWorker = 10 * time.Second

func (r *runner) Next(ctx context.Context) ([]trials.Report, error) {
	nobody := time.NewTimer(noWorker)
	defer nobody.Stop()
	var out []trials.Report
	select {
	case res := <-r.results:
		out = r.take(out, res)
	case <-r.woken:
	case <-nobody.C:
		r.mu.Lock()
		warn := !r.joined && !r.warned
		r.warned = r.warned || warn
		r.mu.Unlock()
		if warn {
			r.tell("no worker has come yet, and the search waits for one: start permafrost worker")
		}
	case err := <-r.failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for id, res := range r.early {
		if r.open[id] {
			delete(r.early, id)
			out = r.take(out, res)
		}
	}
	for more := true; more; { // all that are there, so that they are logged together
		select {
		case res := <-r.results:
			out = r.take(out, res)
		default:
			more = false
		}
	}
	r.mu.Lock()
	begun, lines := r.begun, r.lines
	r.begun, r.lines = nil, nil
	r.mu.Unlock()
	for _, line := range lines {
		r.tell(line)
	}
	return append(begun, out...), nil
}

// take adds the report of a result, or keeps it until its task is given out. One that the log has
// never is.
func (r *runner) take(out []trials.Report, res cluster.Result) []trials.Report {
	at, ok := taskOf(res.Job)
	if !ok || !r.open[res.Job] {
		r.early[res.Job] = res
		return out
	}
	delete(r.open, res.Job)
	of := new(trials.Outcome)
	switch {
	case len(res.Poisoned) > 0:
		of = &trials.Outcome{Failed: fmt.Sprintf("given up after %d attempts; %s", len(res.Poisoned), res.Poisoned[len(res.Poisoned)-1])}
	default:
		if err := json.Unmarshal(res.Body, of); err != nil {
			of = &trials.Outcome{Failed: fmt.Sprintf("worker %s sent a result that cannot be read: %v", res.Worker, err)}
		}
	}
	if of.Failed == "" {
		r.owner[at[0]] = res.Worker
	}
	return append(out, trials.Report{Trial: at[0], Rung: at[1], Worker: res.Worker, Began: res.Began, At: res.Ended, Outcome: of})
}

func (r *runner) Drop(trial int) { delete(r.owner, trial) }

func (r *runner) Close() {
	r.cancel()
	r.queue.Close()
	r.ended.Wait()
}

// Forget takes away what the cluster holds of a search that has ended. Its files stay, for the next
// search of the same model and data.
func (c *Crew) Forget(ctx context.Context) error {
	c.mu.Lock()
	name := c.queue
	c.mu.Unlock()
	q, err := c.c.OpenQueue(ctx, group, name)
	if err != nil {
		return err
	}
	return q.Delete(ctx)
}

// jobOf names the job of a task, and taskOf reads trial and rung from the name. The point stands in it
// so that no result can pass for that of another point.
func jobOf(t search.Task) string {
	return fmt.Sprintf("%d-%d-%.8s", t.Trial, t.Rung, t.Point.Digest())
}

func taskOf(id string) (t [2]int, ok bool) {
	n, err := fmt.Sscanf(id, "%d-%d-", &t[0], &t[1])
	return t, n == 2 && err == nil
}
