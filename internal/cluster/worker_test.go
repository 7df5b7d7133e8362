package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestQueue(t *testing.T) {
	c, events := open(t, Options{})
	q := openQueue(t, c, "a")
	other := openQueue(t, c, "b")
	work(t, c, "w1", double)
	work(t, c, "w2", double)
	ctx := soon(t)
	for range 2 { // submitting twice is submitting once
		if err := q.Submit(ctx, submissions(0, 100)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Submit(ctx, submissions(0, 5)...); err != nil {
		t.Fatal(err)
	}
	results := collect(t, q, 100)
	collect(t, other, 5)
	r := results["job-7"]
	if r.Queue != "a" || r.Attempt != 1 || !strings.HasPrefix(r.Worker, "w") || r.Began.IsZero() || r.Ended.Before(r.Began) {
		t.Errorf("%+v", r)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if r, err := q.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v after all results", r, err)
	}
	if n := events.count(Started); n != 105 {
		t.Errorf("%d attempts for 105 jobs", n)
	}
	workers, err := q.Workers(ctx, 300*time.Millisecond)
	if err != nil || len(workers) != 2 || !slices.ContainsFunc(workers, func(w Worker) bool { return w.Name == "w1" && w.Version == "1" }) {
		t.Errorf("workers %v, %v", workers, err)
	}
	// A deleted queue leaves nothing, and its name is free.
	if err := q.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Next(ctx); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	again := openQueue(t, c, "a")
	if err := again.Submit(ctx, submissions(200, 203)...); err != nil {
		t.Fatal(err)
	}
	collect(t, again, 3)
}

// TestAttempts is the life of one job under handlers that go wrong.
func TestAttempts(t *testing.T) {
	fail := errors.New("no luck")
	for name, c := range map[string]struct {
		handle   func(attempt int) ([]byte, error)
		attempt  int
		body     string
		poisoned []string
	}{
		"at once":       {func(int) ([]byte, error) { return []byte("x"), nil }, 1, "x", nil},
		"nothing":       {func(int) ([]byte, error) { return nil, nil }, 1, "", nil},
		"third time":    {func(n int) ([]byte, error) { return []byte("x"), map[bool]error{true: fail}[n < 3] }, 3, "x", nil},
		"never":         {func(int) ([]byte, error) { return nil, fail }, 3, "", []string{"attempt 1: worker w: no luck", "attempt 2: worker w: no luck", "attempt 3: worker w: no luck"}},
		"panics":        {func(n int) ([]byte, error) { panic(fmt.Sprint("oh ", n)) }, 3, "", []string{"the handler panicked: oh 1", "oh 2", "oh 3"}},
		"result is big": {func(int) ([]byte, error) { return make([]byte, 2<<20), nil }, 1, "", []string{"maximum payload exceeded: send large contents as a blob"}},
	} {
		t.Run(name, func(t *testing.T) {
			cl, events := open(t, Options{})
			q := openQueue(t, cl, "a")
			work(t, cl, "w", func(_ context.Context, j Job) ([]byte, error) { return c.handle(j.Attempt) })
			if err := q.Submit(soon(t), Submission{ID: "1"}); err != nil {
				t.Fatal(err)
			}
			r, err := q.Next(soon(t))
			if err != nil || r.Attempt != c.attempt || string(r.Body) != c.body || len(r.Poisoned) != len(c.poisoned) || (r.Body == nil) != (c.poisoned != nil) {
				t.Fatalf("%+v, %v", r, err)
			}
			for i, want := range c.poisoned {
				if !strings.Contains(r.Poisoned[i], want) {
					t.Errorf("%q, want %q", r.Poisoned[i], want)
				}
			}
			if c.attempt == 3 && events.count(Failed) < 2 {
				t.Errorf("failures were not told:\n%s", events)
			}
		})
	}
}

// TestLapse lets a worker fall silent in a job and come back after another has taken it.
func TestLapse(t *testing.T) {
	c, events := open(t, Options{Listen: "127.0.0.1:0", Lapse: 500 * time.Millisecond})
	q := openQueue(t, c, "a")
	if err := q.Submit(soon(t), Submission{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	cut := proxy(t, c.URL())
	far, _ := open(t, Options{URL: cut.url})
	taken, finish := make(chan bool), make(chan bool)
	work(t, far, "slow", func(_ context.Context, j Job) ([]byte, error) {
		taken <- true
		<-finish
		return []byte("slow"), nil
	})
	<-taken
	cut.hold(true)
	work(t, c, "quick", func(context.Context, Job) ([]byte, error) { return []byte("quick"), nil })
	r, err := q.Next(soon(t))
	if err != nil || string(r.Body) != "quick" || r.Attempt != 2 || r.Worker != "quick" {
		t.Fatalf("%+v, %v", r, err)
	}
	if events.count(Lost) != 1 {
		t.Errorf("the loss was not told:\n%s", events)
	}
	cut.hold(false)
	finish <- true
	waitFor(t, func() bool { return events.count(Dropped) == 1 }, "the late result to be dropped")
	short, cancel := context.WithTimeout(soon(t), 200*time.Millisecond)
	defer cancel()
	if r, err := q.Next(short); err == nil {
		t.Errorf("a second result: %+v", r)
	}
}

// TestLateResultWins takes the result of the first attempt where the second has not ended.
func TestLateResultWins(t *testing.T) {
	c, _ := open(t, Options{Listen: "127.0.0.1:0", Lapse: 500 * time.Millisecond})
	q := openQueue(t, c, "a")
	if err := q.Submit(soon(t), Submission{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	cut := proxy(t, c.URL())
	far, _ := open(t, Options{URL: cut.url})
	step, end := make(chan int), make(chan bool)
	handler := func(ctx context.Context, j Job) ([]byte, error) {
		step <- j.Attempt
		<-end
		return fmt.Append(nil, j.Attempt), nil
	}
	work(t, far, "first", handler)
	<-step
	cut.hold(true)
	work(t, c, "second", handler)
	if n := <-step; n != 2 {
		t.Fatalf("attempt %d", n)
	}
	cut.hold(false)
	waitFor(t, func() bool { return far.conn.IsConnected() }, "the connection")
	end <- true // one of the two ends, and the other when the result is there
	r, err := q.Next(soon(t))
	if err != nil || string(r.Body) != fmt.Sprint(r.Attempt) {
		t.Errorf("%+v, %v", r, err)
	}
	end <- true
}

// TestLeave lets workers leave in a job, which does not count against it.
func TestLeave(t *testing.T) {
	c, events := open(t, Options{Lapse: 20 * time.Second}) // a lapse would not come in time
	q := openQueue(t, c, "a")
	if err := q.Submit(soon(t), Submission{ID: "job-1", Body: []byte("1;")}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		begun := make(chan bool)
		stop := work(t, c, "leaver", func(ctx context.Context, _ Job) ([]byte, error) {
			begun <- true
			<-ctx.Done()
			return nil, ctx.Err()
		})
		<-begun
		stop()
	}
	work(t, c, "stayer", double)
	r := collect(t, q, 1)["job-1"]
	if r.Attempt != 5 || events.count(Left) != 4 || events.count(Lost) != 0 {
		t.Errorf("%+v\n%s", r, events)
	}
}

// TestDeleteStops ends the work of a queue that is deleted.
func TestDeleteStops(t *testing.T) {
	c, _ := open(t, Options{})
	q := openQueue(t, c, "a")
	other := openQueue(t, c, "b")
	var stopped atomic.Bool
	begun := make(chan bool, 1)
	work(t, c, "w", func(ctx context.Context, j Job) ([]byte, error) {
		if j.Queue == "b" {
			return double(ctx, j)
		}
		begun <- true
		<-ctx.Done()
		stopped.Store(true)
		return nil, ctx.Err()
	})
	if err := q.Submit(soon(t), submissions(0, 3)...); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := q.Delete(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := other.Submit(soon(t), submissions(0, 3)...); err != nil {
		t.Fatal(err)
	}
	collect(t, other, 3)
	if !stopped.Load() {
		t.Error("the handler was not stopped")
	}
}

// TestOtherVersion refuses workers and coordinators of another version.
func TestOtherVersion(t *testing.T) {
	c, events := open(t, Options{Listen: "127.0.0.1:0"})
	q := openQueue(t, c, "a")
	n := &note{}
	old, err := Open(soon(t), Options{URL: c.URL(), Version: "0.9", Event: n.add})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	err = old.Work(soon(t), "work", "ancient", double)
	want := "worker ancient has version 0.9 (protocol 1), the coordinator of group work has 1 (protocol 1): refused"
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	waitFor(t, func() bool { return events.count(Refused) == 1 }, "the refusal to be told")
	if err := q.Submit(soon(t), submissions(0, 1)...); err != nil {
		t.Fatal(err)
	}
	if _, err := old.OpenQueue(soon(t), "work", "b"); err == nil || !strings.Contains(err.Error(), `version "1" of Permafrost has jobs there, this is "0.9"`) {
		t.Error(err)
	}
	work(t, c, "w", double)
	collect(t, q, 1)
	// Nothing waits any more: the group changes its version, and workers of the other leave at
	// their next job.
	waitFor(t, func() bool { _, err := old.OpenQueue(soon(t), "work", "b"); return err == nil }, "the group to be free")
}

// TestOtherProtocol refuses streams of another protocol.
func TestOtherProtocol(t *testing.T) {
	c, _ := open(t, Options{})
	if _, err := c.js.CreateStream(soon(t), jetstream.StreamConfig{Name: jobsStream, Subjects: []string{jobWord + ".>"}, Metadata: map[string]string{"permafrost-protocol": "7"}}); err != nil {
		t.Fatal(err)
	}
	_, err := c.OpenQueue(soon(t), "work", "a")
	if err == nil || !strings.Contains(err.Error(), `it speaks protocol "7", this program "1": use one version of Permafrost everywhere`) {
		t.Error(err)
	}
}

func waitFor(t *testing.T, is func() bool, what string) {
	t.Helper()
	for range 400 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}
