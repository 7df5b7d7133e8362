package cluster

import (
	"sync"
	"testing"
	"time"
)

// TestWatch finds workers whose groups nobody has opened, with no more rights than they have, and
// gives them work.
func TestWatch(t *testing.T) {
	ctx := soon(t)
	eve := User{"eve", "of-eve", "search"}
	c, events := open(t, Options{Listen: "127.0.0.1:0", Users: []User{anna, bob, eve}})
	type said struct {
		group string
		Event
	}
	heard := make(chan said, 1000)
	stop, err := c.Watch("fed-", func(group string, e Event) { heard <- said{group, e} })
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(stop)
	t.Cleanup(stop)
	var waiting []*note
	for _, u := range []User{anna, bob, eve} {
		far, said := joins(t, c, u)
		workAs(t, far, u, double)
		waiting = append(waiting, said)
	}
	times := map[string]int{}
	for times["fed-anna"] < 2 || times["fed-bob"] < 2 {
		select {
		case s := <-heard:
			if s.Kind != Waiting || "fed-"+s.Worker != s.group || s.Version != "1" || s.Text == "" {
				t.Fatalf("%+v", s)
			}
			times[s.group]++
		case <-ctx.Done():
			t.Fatalf("heard %v", times)
		}
	}
	q, err := c.OpenQueue(ctx, "fed-anna", "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	if err := q.Submit(ctx, submissions(0, 3)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 3)
	joined := false
	for !joined {
		select {
		case s := <-heard:
			joined = s.Kind == Joined && s.group == "fed-anna"
		case <-ctx.Done():
			t.Fatal("nobody heard that anna's worker has joined")
		}
	}
	if n := events.count(Waiting); n > 0 {
		t.Errorf("the queue tells of %d workers that wait", n)
	}
	for _, w := range waiting {
		if w.count(Warned) > 0 {
			t.Errorf("a worker lacks rights:\n%s", w)
		}
	}
	stop()
	time.Sleep(100 * time.Millisecond)
	for len(heard) > 0 {
		<-heard
	}
	time.Sleep(2 * sayWaiting)
	if len(heard) > 0 {
		t.Error("heard after stop")
	}
	if _, err := c.Watch("fed.", nil); err == nil {
		t.Error("a prefix of two words")
	}
}
