package cluster

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// note keeps the events of a cluster.
type note struct {
	mu     sync.Mutex
	events []Event
}

func (n *note) add(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, e)
}

func (n *note) count(kind EventKind) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Kind == kind {
			count++
		}
	}
	return count
}

func (n *note) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var b strings.Builder
	for _, e := range n.events {
		fmt.Fprintf(&b, "%s %s %s\n", e.Kind, e.Job, e.Text)
	}
	return b.String()
}

// soon is a context for everything that a test does.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open opens a cluster with short waits, and closes it at the end.
func open(t *testing.T, opt Options) (*Cluster, *note) {
	t.Helper()
	n := &note{}
	opt.Event = n.add
	opt.Version = "1"
	if opt.URL == "" && opt.Store == "" {
		opt.Store = t.TempDir()
	}
	if opt.Lapse == 0 {
		opt.Lapse = time.Second
	}
	if opt.Wait == 0 {
		opt.Wait = 20 * time.Second
	}
	c, err := Open(soon(t), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, n
}

func openQueue(t *testing.T, c *Cluster, name string) *Queue {
	t.Helper()
	q, err := c.OpenQueue(soon(t), "work", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// work starts a worker, which ends with the test or when stop is called.
func work(t *testing.T, c *Cluster, name string, handle Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Work(ctx, "work", name, handle); ctx.Err() == nil {
			t.Errorf("worker %s: %v", name, err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// double is a handler whose results can be told.
func double(_ context.Context, j Job) ([]byte, error) { return append(j.Body, j.Body...), nil }

func submissions(from, to int) (jobs []Submission) {
	for i := from; i < to; i++ {
		jobs = append(jobs, Submission{ID: fmt.Sprintf("job-%d", i), Body: fmt.Appendf(nil, "%d;", i)})
	}
	return jobs
}

// collect reads n results and checks that each job has one, and the right one.
func collect(t *testing.T, q *Queue, n int) map[string]Result {
	t.Helper()
	ctx, all := soon(t), map[string]Result{}
	for len(all) < n {
		r, err := q.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d results: %v", len(all), n, err)
		}
		if _, twice := all[r.Job]; twice {
			t.Fatalf("%s has two results", r.Job)
		}
		num := strings.TrimPrefix(r.Job, "job-") + ";"
		if string(r.Body) != num+num {
			t.Errorf("%s: result %q (poisoned: %v)", r.Job, r.Body, r.Poisoned)
		}
		all[r.Job] = r
	}
	return all
}

// checkGoroutines fails where code of this package or of NATS still runs.
func checkGoroutines() error {
	var stacks string
	for range 100 {
		buf := make([]byte, 1<<20)
		stacks = ""
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "resetPendingAcksOnReconnect") {
				continue // nats.go leaves it where an object is stored faster than it starts
			}
			if strings.Contains(g, "nats-io") || strings.Contains(g, "permafrost/internal/cluster.") && !strings.Contains(g, "TestMain") {
				stacks += g + "\n\n"
			}
		}
		if stacks == "" {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("left behind:\n%s", stacks)
}

func TestMain(m *testing.M) {
	if role := os.Getenv("CLUSTER_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	code := m.Run()
	if err := checkGoroutines(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
