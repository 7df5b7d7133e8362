package cluster

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// TestRights gives a worker no more than its rights, and tries to read the results of another group.
func TestRights(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		Users: []*server.User{{Username: "lab", Password: "x"}, {Username: "worker", Password: "x", Permissions: WorkerRights("work").permissions()}, {Username: "other", Password: "x", Permissions: WorkerRights("other").permissions()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	ctx := soon(t)
	lab, _ := open(t, Options{URL: s.ClientURL(), User: "lab", Password: "x"})
	q := openQueue(t, lab, "a")
	blob, err := lab.Put(ctx, strings.NewReader("a blob"))
	if err != nil {
		t.Fatal(err)
	}
	far, denials := open(t, Options{URL: s.ClientURL(), User: "worker", Password: "x", Group: "work", Cache: t.TempDir(), Lapse: 300 * time.Millisecond})
	work(t, far, "w", func(ctx context.Context, j Job) ([]byte, error) {
		if _, err := far.Fetch(ctx, blob); err != nil {
			return nil, err
		}
		if j.Attempt == 1 && j.ID == "job-1" {
			return nil, context.DeadlineExceeded
		}
		return double(ctx, j)
	})
	if err := q.Submit(ctx, submissions(0, 5)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 5)
	if workers, err := q.Workers(ctx, 200*time.Millisecond); err != nil || len(workers) != 1 {
		t.Errorf("%v, %v", workers, err)
	}
	if n := denials.count(Warned); n > 0 {
		t.Errorf("the worker lacks rights:\n%s", denials)
	}
	spy, _ := open(t, Options{URL: s.ClientURL(), User: "other", Password: "x", Group: "other", Wait: 300 * time.Millisecond})
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if r, err := spy.result(short, place{"work", "a", "job-0"}); err == nil {
		t.Errorf("another group reads %+v", r)
	}
	if _, err := spy.OpenQueue(ctx, "work", "a"); err == nil {
		t.Error("a worker opens a queue of another group")
	}
}

// TestRightsInDocs holds the list of docs/scale.md, of the group "work", to the rights.
func TestRightsInDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(b), "\n    publish:")
	publish, list, ok2 := strings.Cut(list, "subscribe:")
	subscribe, _, ok3 := strings.Cut(list, "responses: one, within a minute\n")
	if !ok || !ok2 || !ok3 {
		t.Fatal("docs/scale.md does not list the rights of a worker")
	}
	want := WorkerRights("work")
	if got := strings.Fields(publish); !slices.Equal(got, want.Publish) {
		t.Errorf("docs/scale.md lists\n%v\nnot\n%v", got, want.Publish)
	}
	if got := strings.Fields(subscribe); !slices.Equal(got, want.Subscribe) {
		t.Errorf("docs/scale.md lists\n%v\nnot\n%v", got, want.Subscribe)
	}
}
