package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReopen closes a coordinator at every point of a job, and opens another on the same store.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	ctx := soon(t)
	runs := make(chan string, 100)
	counted := func(ctx context.Context, j Job) ([]byte, error) { runs <- j.ID; return double(ctx, j) }

	c, _ := open(t, Options{Store: dir})
	q := openQueue(t, c, "a")
	if err := q.Submit(ctx, submissions(0, 10)...); err != nil {
		t.Fatal(err)
	}
	c.Close() // before any job

	c, _ = open(t, Options{Store: dir})
	q = openQueue(t, c, "a")
	if err := q.Submit(ctx, submissions(0, 20)...); err != nil {
		t.Fatal(err)
	}
	stop := work(t, c, "w", counted)
	collect(t, q, 20)
	stop()
	c.Close() // with all results

	c, events := open(t, Options{Store: dir})
	q = openQueue(t, c, "a")
	if err := q.Submit(ctx, submissions(0, 21)...); err != nil {
		t.Fatal(err)
	}
	work(t, c, "w", counted)
	collect(t, q, 21) // the results are read again
	if len(runs) != 21 {
		t.Errorf("21 jobs were run %d times", len(runs))
	}
	if n := events.count(Rebuilt) + events.count(Resubmitted) + events.count(Warned); n != 0 {
		t.Errorf("a store without fault:\n%s", events)
	}
}

func TestStoreInUse(t *testing.T) {
	dir := t.TempDir()
	open(t, Options{Store: dir})
	_, err := Open(soon(t), Options{Store: dir})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Error(err)
	}
}

// TestListen reaches an embedded server from outside, and again after it was started anew.
func TestListen(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, Options{Store: dir, Listen: "127.0.0.1:0"})
	url := c.URL()
	remote, events := open(t, Options{URL: url})
	q := openQueue(t, c, "a")
	ctx := soon(t)
	work(t, remote, "far", double)
	if err := q.Submit(ctx, submissions(0, 3)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 3)
	if info, err := os.Stat(filepath.Join(dir, addressFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read the token", info.Mode(), err)
	}
	c.Close()
	c, _ = open(t, Options{Store: dir, Listen: "127.0.0.1:0"})
	if c.URL() != url {
		t.Errorf("%s after %s: workers would not find it", c.URL(), url)
	}
	q = openQueue(t, c, "a")
	if err := q.Submit(ctx, submissions(0, 6)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 6)
	if events.count(Disconnected) == 0 || events.count(Reconnected) == 0 {
		t.Errorf("the loss of the server was not reported:\n%s", events)
	}
}

// TestRefusals holds what is wrong before anything is done.
func TestRefusals(t *testing.T) {
	listening, _ := open(t, Options{Listen: "127.0.0.1:0"})
	url := listening.URL()
	at := url[strings.Index(url, "@")+1:]
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		opt  Options
		want string
	}{
		"nothing given":         {Options{}, "neither a URL nor a folder"},
		"URL and listen":        {Options{URL: url, Listen: ":0"}, "give one of the two"},
		"user without URL":      {Options{Store: t.TempDir(), User: "x"}, "credentials are for a server"},
		"cert without key":      {Options{URL: url, Cert: file}, "needs its key"},
		"cert, no listening":    {Options{Store: t.TempDir(), Cert: file, Key: file}, "does not listen"},
		"no such file":          {Options{URL: url, Credentials: file + "x"}, "no such file"},
		"six replicas":          {Options{URL: url, Replicas: 6}, "1 to 5"},
		"replicas alone":        {Options{Store: t.TempDir(), Replicas: 3}, "is alone"},
		"bad address":           {Options{Store: t.TempDir(), Listen: "nowhere"}, `address "nowhere" to listen at`},
		"address taken":         {Options{Store: t.TempDir(), Listen: at}, "address already in use"},
		"store is a file":       {Options{Store: file}, "not a directory"},
		"bad certificate":       {Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Cert: file, Key: file}, "certificate " + file},
		"no server":             {Options{URL: "nats://127.0.0.1:1", Wait: 300 * time.Millisecond}, "nats://127.0.0.1:1: no server answered in 300ms"},
		"no password":           {Options{URL: "nats://" + at}, "check the credentials, or the user and the password"},
		"wrong password":        {Options{URL: "nats://someone:secret@" + at}, "refused"},
		"users, no listening":   {Options{Store: t.TempDir(), Users: []User{anna}}, "users are for an embedded server that listens"},
		"users at a URL":        {Options{URL: url, Users: []User{anna}}, "users are for an embedded server that listens"},
		"user without password": {Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Users: []User{{"anna", "", "a"}}}, "user anna has no password"},
		"user without name":     {Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Users: []User{{"", "secret", "a"}}}, "a user has no name"},
		"user of no group":      {Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Users: []User{{"anna", "secret", ">"}}}, `user anna: group ">"`},
		"a user twice":          {Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Users: []User{anna, {"anna", "secret", "b"}}}, "two users anna"},
		"a group twice":         {Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Users: []User{anna, {"eve", "secret", anna.Group}}}, "give each a group of its own"},
		"long password":         {Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Users: []User{{"anna", strings.Repeat("secret", 13), "a"}}}, "longer than 72 bytes"},
		"bad credentials":       {Options{URL: "nats://" + at, Credentials: file}, "refused"},
	} {
		c2, err := Open(soon(t), c.opt)
		if err == nil {
			c2.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
	ctx := soon(t)
	if _, err := listening.OpenQueue(ctx, "work", "a.b"); err == nil || !strings.Contains(err.Error(), `queue "a.b"`) {
		t.Error(err)
	}
	if err := openQueue(t, listening, "a").Submit(ctx, Submission{ID: "1 2"}); err == nil || !strings.Contains(err.Error(), `job "1 2"`) {
		t.Error(err)
	}
	remote, _ := open(t, Options{URL: url, Replicas: 3})
	if _, err := remote.OpenQueue(ctx, "work", "a"); err == nil || !strings.Contains(err.Error(), "as many servers") {
		t.Error(err)
	}
}

// TestServerDies ends every call that waits for a server that does not come back.
func TestServerDies(t *testing.T) {
	c, _ := open(t, Options{Listen: "127.0.0.1:0"})
	openQueue(t, c, "a")
	remote, _ := open(t, Options{URL: c.URL(), Wait: time.Second})
	q := openQueue(t, remote, "a")
	worker := make(chan error, 1)
	go func() { worker <- remote.Work(context.Background(), "work", "w", double) }()
	time.Sleep(200 * time.Millisecond)
	c.Close()
	ctx := soon(t)
	want := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "no answer for 1s") || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want an error of %q", err, what)
		}
	}
	_, err := q.Next(ctx)
	want("reading the results of queue a", err)
	want("joining group work", <-worker)
	want("submitting 1 jobs", q.Submit(ctx, submissions(0, 1)...))
	_, err = remote.Put(ctx, strings.NewReader("x"))
	want("making the object store", err)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := q.Submit(canceled, submissions(1, 2)...); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
