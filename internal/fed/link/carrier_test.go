package link

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reversed is what the clients of these tests answer.
func reversed(b []byte) []byte {
	out := slices.Clone(b)
	slices.Reverse(out)
	return out
}

// echo works for a client until the test ends, with the messages of this package around it.
func echo(t *testing.T, ctx context.Context, url, client string) {
	t.Helper()
	c, err := cluster.Open(ctx, cluster.Options{URL: url, Group: GroupOf(client), Version: "test"})
	must(t, err)
	working, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Work(working, GroupOf(client), client, func(ctx context.Context, j cluster.Job) ([]byte, error) {
			task, err := unwrap(j.Body, func(d cluster.Digest) ([]byte, error) { return blob(ctx, c, d) })
			if err != nil {
				return nil, err
			}
			answer := reversed(task)
			message, err := wrap(answer, func() (cluster.Digest, error) { return c.Upload(ctx, GroupOf(client), answer) })
			return append([]byte("12345678"), message...), err
		})
	}()
	t.Cleanup(func() { stop(); <-ended; c.Close() })
}

// TestCarrier: tasks and answers come whole where they are larger than a message; a server that comes
// after one that was killed gets the answers again, until they are forgotten; the blobs that were put
// can be dropped.
func TestCarrier(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	var tasks [][]byte
	for _, n := range []int{0, 10, most, most + 1, 3*most + 7} {
		b := make([]byte, n)
		_, _ = rand.Read(b)
		tasks = append(tasks, b)
	}
	ids := []string{"r00000-1-a", "r00000-1-b", "r00000-1-c", "r00000-1-d", "r00000-2-a"}
	store := t.TempDir()
	open := func() *Carrier {
		t.Helper()
		c, err := Open(ctx, Options{Cluster: cluster.Options{Store: store, Listen: "127.0.0.1:0", Version: "test"}, ID: "f"})
		must(t, err)
		return c
	}
	take := func(c *Carrier) {
		t.Helper()
		for range ids {
			r, err := c.Next(ctx)
			must(t, err)
			if i := slices.Index(ids, r.ID); i < 0 || r.Client != "anna" || r.Lost != "" || !bytes.Equal(r.Body, reversed(tasks[i])) {
				t.Errorf("%s of %s (%s): %d bytes", r.ID, r.Client, r.Lost, len(r.Body))
			}
		}
	}
	ask := func(c *Carrier) {
		t.Helper()
		for i, id := range ids {
			must(t, c.Ask(ctx, "anna", id, tasks[i]))
		}
	}
	c := open()
	echo(t, ctx, c.Cluster().URL(), "anna")
	for {
		there, err := c.Present(ctx)
		must(t, err)
		if slices.Equal(there, []string{"anna"}) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	ask(c)
	take(c)
	c.Close()

	c = open() // which may find that the client needs a moment to connect again
	defer func() { c.Close() }()
	ask(c)
	take(c)
	if there, err := c.Present(ctx); err != nil || !slices.Equal(there, []string{"anna"}) {
		t.Errorf("%v, %v are there for the next server", there, err)
	}
	must(t, c.Forget(ctx, "r00000-"))
	must(t, c.Ask(ctx, "anna", "r00001-1-a", []byte("ab")))
	if r, err := c.Next(ctx); err != nil || string(r.Body) != "ba" {
		t.Errorf("%+v, %v", r, err)
	}
	must(t, c.Forget(ctx, "r00001-"))
	c.Close()
	c = open()
	ask(c) // all of them are done again
	take(c)

	d, err := c.Put(ctx, tasks[4])
	must(t, err)
	if b, err := c.Get(ctx, d); err != nil || !bytes.Equal(b, tasks[4]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	must(t, c.Drop(ctx, d))
	if _, err := c.Get(ctx, d); err == nil {
		t.Error("what was dropped is there")
	}
}

// TestCrowd: who has not been heard of for long has lost its tasks, but not one that was just asked.
func TestCrowd(t *testing.T) {
	c := newCrowd([]string{GroupOf("ben")})
	c.hears("anna")
	c.asked("anna", "r00000-1-a")
	c.asked("ben", "r00000-1-a")
	c.asked("cleo", "r00000-1-a")
	if there := c.there(); !slices.Equal(there, []string{"anna"}) || len(c.lost()) > 0 {
		t.Errorf("%v are there", there)
	}
	for _, client := range []string{"anna", "ben", "cleo"} {
		c.open[client]["r00000-1-a"] = time.Now().Add(-2 * away)
	}
	c.forget("r00001-")
	c.answered("cleo", "r00000-1-a")
	lost := c.lost()
	if len(lost) != 1 || lost[0].Client != "ben" || lost[0].ID != "r00000-1-a" || lost[0].Lost == "" || len(c.lost()) > 0 {
		t.Errorf("%+v", lost)
	}
	for i, s := range []struct {
		process string
		twice   bool
	}{{"a", false}, {"a", false}, {"b", false}, {"b", false}, {"a", true}, {"a", false}, {"c", false}, {"a", true}} {
		if c.twice("anna", s.process) != s.twice {
			t.Errorf("answer %d, of process %s: twice is %v", i, s.process, !s.twice)
		}
	}
	if n, none := c.processes("anna"), c.processes("ben"); n != 3 || none != 1 {
		t.Errorf("%d processes, and %d of one that has not answered", n, none)
	}
	c.leaves("anna")
	if there := c.there(); !slices.Equal(there, []string{"cleo"}) || !slices.Equal(c.groups(), []string{"fed-anna", "fed-ben", "fed-cleo"}) {
		t.Errorf("%v are there of %v", there, c.groups())
	}
}

// TestMessages: what no side writes is an error.
func TestMessages(t *testing.T) {
	for _, b := range [][]byte{nil, {}, {0}, {'d'}, []byte("x")} {
		if _, err := unwrap(b, nil); err == nil {
			t.Errorf("%q is read", b)
		}
	}
	if _, _, err := cutProcess([]byte("1234567")); err == nil {
		t.Error("an answer of no process is read")
	}
}
