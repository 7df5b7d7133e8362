package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

var anna, bob = User{"anna", "of-anna", "fed-anna"}, User{"bob", "of-bob", "fed-bob"}

// joins opens a user's connection to a server with users.
func joins(t *testing.T, c *Cluster, u User) (*Cluster, *note) {
	t.Helper()
	return open(t, Options{URL: c.URLFor(u), Group: u.Group, Wait: 300 * time.Millisecond, Cache: t.TempDir()})
}

// workAs starts a worker of a user's group, which ends with the test or when stop is called.
func workAs(t *testing.T, c *Cluster, u User, handle Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Work(ctx, u.Group, u.Name, handle); ctx.Err() == nil {
			t.Errorf("worker %s: %v", u.Name, err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// TestUsers lets two users work, each for its own group, and tries what a user may not do.
func TestUsers(t *testing.T) {
	ctx := soon(t)
	c, _ := open(t, Options{Listen: "127.0.0.1:0", Users: []User{anna, bob}})
	if strings.Contains(c.URL(), "@") {
		t.Errorf("%s holds a secret", c.URL())
	}
	queues := map[string]*Queue{}
	for _, u := range []User{anna, bob} {
		q, err := c.OpenQueue(ctx, u.Group, "round")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Close)
		if err := q.Submit(ctx, Submission{ID: "1", Body: []byte("for " + u.Name)}, Submission{ID: "2", Body: []byte("for " + u.Name)}); err != nil {
			t.Fatal(err)
		}
		queues[u.Name] = q
	}
	a, said := joins(t, c, anna)
	stop := workAs(t, a, anna, double)
	for range 2 {
		if r, err := queues["anna"].Next(ctx); err != nil || string(r.Body) != "for annafor anna" {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	stop()
	hers, err := a.Upload(ctx, anna.Group, []byte("hers"))
	if err != nil {
		t.Fatal(err)
	}
	if said.count(Warned) > 0 {
		t.Errorf("anna lacks rights:\n%s", said)
	}
	spy, _ := joins(t, c, bob)
	for name, try := range map[string]func(context.Context) error{
		"reads a job": func(ctx context.Context) error {
			_, err := spy.last(ctx, jobsStream, "permafrost.job.fed-anna.round.1")
			return err
		},
		"reads a claim": func(ctx context.Context) error {
			_, err := spy.last(ctx, claimsStream, "permafrost.claim.fed-anna.round.1")
			return err
		},
		"reads a result": func(ctx context.Context) error {
			_, err := spy.result(ctx, place{"fed-anna", "round", "1"})
			return err
		},
		"reads all results": func(ctx context.Context) error {
			s, err := spy.js.Stream(ctx, resultsStream)
			if err == nil {
				_, err = s.GetMsg(ctx, 1)
			}
			return err
		},
		"listens to results": func(ctx context.Context) error {
			s, err := spy.conn.SubscribeSync("permafrost.result.>")
			if err == nil {
				_, err = spy.publish(ctx, place{"fed-bob", "other", "1"}, Result{ID: "x"}) // heard by who hears anything
			}
			if err == nil {
				_, err = s.NextMsgWithContext(ctx)
			}
			return err
		},
		"publishes a result": func(ctx context.Context) error {
			_, err := spy.publish(ctx, place{"fed-anna", "round", "9"}, Result{ID: "x"})
			return err
		},
		"claims a job": func(ctx context.Context) error {
			_, err := spy.change(ctx, place{"fed-anna", "round", "1"}, true, func(*claims) bool { return true })
			return err
		},
		"opens a queue": func(ctx context.Context) error { _, err := spy.OpenQueue(ctx, "fed-anna", "other"); return err },
		"submits a job": func(ctx context.Context) error {
			q, err := spy.OpenQueue(ctx, "fed-bob", "other")
			if err == nil {
				defer q.Close()
				err = q.Submit(ctx, Submission{ID: "1"})
			}
			return err
		},
		"uploads": func(ctx context.Context) error { _, err := spy.Upload(ctx, "fed-anna", []byte("x")); return err },
		"reads an upload": func(ctx context.Context) error {
			_, err := spy.Uploaded(ctx, "fed-anna", DigestOf([]byte("hers")), 100)
			return err
		},
		"drops an upload":  func(ctx context.Context) error { return spy.DropUpload(ctx, "fed-anna", "") },
		"stores a blob":    func(ctx context.Context) error { _, err := spy.Put(ctx, strings.NewReader("x")); return err },
		"deletes a stream": func(ctx context.Context) error { return spy.js.DeleteStream(ctx, resultsStream) },
	} {
		short, cancel := context.WithTimeout(ctx, 600*time.Millisecond)
		if err := try(short); err == nil {
			t.Errorf("bob %s", name)
		}
		cancel()
	}
	if r, err := c.result(ctx, place{"fed-anna", "round", "9"}); r != nil || err != nil {
		t.Errorf("a result by bob: %+v, %v", r, err)
	}
	if b, err := c.Uploaded(ctx, anna.Group, hers, 100); err != nil || string(b) != "hers" {
		t.Errorf("the upload of anna is %q, %v", b, err)
	}
	// Bob still does what is his own.
	workAs(t, spy, bob, double)
	if r, err := queues["bob"].Next(ctx); err != nil || string(r.Body) != "for bobfor bob" {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestUsersRefused: nobody joins who is no user, and users change with the next opening.
func TestUsersRefused(t *testing.T) {
	dir := t.TempDir()
	c, _ := open(t, Options{Store: dir, Listen: "127.0.0.1:0", Users: []User{anna}})
	joins(t, c, anna)
	token := c.server.address.Token
	refused := func(c *Cluster, users map[string]User) {
		t.Helper()
		urls := map[string]string{"no user": c.URL(), "a token": strings.Replace(c.URL(), "//", "//"+token+"@", 1)}
		for name, u := range users {
			urls[name] = c.URLFor(u)
		}
		for name, url := range urls {
			far, err := Open(soon(t), Options{URL: url})
			if err == nil {
				far.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.URL()+": refused") || !strings.Contains(err.Error(), "check the credentials, or the user and the password") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	refused(c, map[string]User{
		"wrong password": {anna.Name, "secret", anna.Group}, "no password": {anna.Name, "", anna.Group},
		"not listed": {bob.Name, "secret", bob.Group}, "the server's own": {ownUser, "secret", ""},
	})
	c.Close()
	c, _ = open(t, Options{Store: dir, Listen: "127.0.0.1:0", Users: []User{bob}})
	joins(t, c, bob)
	refused(c, map[string]User{"no longer listed": {anna.Name, anna.Password, anna.Group}})
	c.Close()
	c, _ = open(t, Options{Store: dir, Listen: "127.0.0.1:0"})
	conn, err := nats.Connect(c.URL())
	if err != nil {
		t.Fatalf("without users the token serves: %v", err)
	}
	conn.Close()
}
