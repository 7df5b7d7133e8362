package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestForgery has the server send messages of bob to anna's subjects, as the answers to requests that
// he may make: a result of hers, a claim, a job for her and the end of her queue. Nothing of it is taken.
func TestForgery(t *testing.T) {
	ctx := soon(t)
	c, events := open(t, Options{Listen: "127.0.0.1:0", Users: []User{anna, bob}})
	q, err := c.OpenQueue(ctx, anna.Group, "round")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	if err := q.Submit(ctx, Submission{ID: "1", Body: []byte("weights")}, Submission{ID: "2", Body: []byte("weights")}); err != nil {
		t.Fatal(err)
	}
	wire, err := net.Dial("tcp", c.server.address.Listen) // bob writes what the client of NATS would not
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	go func() { _, _ = io.Copy(io.Discard, wire) }()
	fmt.Fprintf(wire, "CONNECT {\"user\":%q,\"pass\":%q,\"headers\":true,\"verbose\":false,\"pedantic\":false}\r\n", bob.Name, bob.Password)
	forge := func(subject string, key []byte, body []byte) {
		t.Helper()
		m := nats.NewMsg("permafrost.claim.fed-bob.round.1") // where he may write
		m.Data = body
		header, err := json.Marshal(Result{Queue: "round", Job: "1", Attempt: 1, Worker: "anna", ID: "forged"})
		if err != nil {
			t.Fatal(err)
		}
		m.Header.Set(versionHeader, "1")
		m.Header.Set(resultHeader, string(header))
		m.Header.Set(sealHeader, sealOf(key, subject, m.Header, m.Data))
		// The second end of the headers hides from readers what the server adds after the first.
		for _, hidden := range []string{"", "\r\nX: y\r\n"} {
			raw := "NATS/1.0\r\n"
			for k := range m.Header {
				raw += k + ": " + m.Header.Get(k) + "\r\n"
			}
			raw += hidden + "\r\n"
			fmt.Fprintf(wire, "HPUB %s %d %d\r\n%s%s\r\n", m.Subject, len(raw), len(raw)+len(m.Data), raw, m.Data)
			fmt.Fprintf(wire, "PUB $JS.API.DIRECT.GET.permafrost-claims.%s %s 0\r\n\r\n", m.Subject, subject)
			time.Sleep(20 * time.Millisecond)
		}
	}
	result, claim := place{anna.Group, "round", "1"}.subject(resultWord), place{anna.Group, "round", "1"}.subject(claimWord)
	poison, err := json.Marshal(claims{[]attempt{{State: failed, ID: "a"}, {State: failed, ID: "b"}, {State: failed, ID: "c"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{nil, sealKey(bob)} {
		forge(result, key, []byte("nonsense"))
		forge(claim, key, poison)
		forge(place{anna.Group, "round", "forged"}.subject(jobWord), key, []byte("nonsense"))
		forge(place{anna.Group, "round", "2"}.subject(jobWord), key, []byte("nonsense"))
	}
	for end := time.Now().Add(10 * time.Second); events.count(Warned) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the forged result did not come, so the test shows nothing")
		}
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if r, err := q.Next(short); err == nil {
		t.Errorf("%+v was taken", r)
	}
	a, said := open(t, Options{URL: c.URLFor(anna), Group: anna.Group})
	began, done := make(chan string, 100), make(chan struct{})
	workAs(t, a, anna, func(ctx context.Context, j Job) ([]byte, error) {
		began <- string(j.Body)
		select {
		case <-done:
		case <-ctx.Done():
			t.Errorf("job %s was stopped: %v", j.ID, context.Cause(ctx))
		}
		return double(ctx, j)
	})
	select {
	case body := <-began:
		if body != "weights" {
			t.Errorf("anna works at %q", body)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("anna gets no work:\n%s\n%s", events, said)
	}
	for _, key := range [][]byte{nil, sealKey(bob)} {
		forge(stopWord+"."+anna.Group, key, []byte("round"))
		forge(result, key, []byte("nonsense"))
	}
	time.Sleep(100 * time.Millisecond)
	close(done)
	for range 2 {
		r, err := q.Next(ctx)
		if err != nil || string(r.Body) != "weightsweights" || r.Worker != "anna" {
			t.Fatalf("%+v, %v\n%s", r, err, events)
		}
	}
}

// TestSealKey: each user has a key of its own, and finds its password beside the address or in it.
func TestSealKey(t *testing.T) {
	keys := map[string]bool{}
	for _, u := range []User{anna, bob, {anna.Name, "other", anna.Group}, {anna.Name, anna.Password, "other"}, {"eve", anna.Password, anna.Group}} {
		keys[string(sealKey(u))] = true
	}
	if len(keys) != 5 {
		t.Errorf("5 users have %d keys", len(keys))
	}
	for _, o := range []Options{
		{User: "anna", Password: "of-anna"}, {URL: "nats://anna:of-anna@host:4222"}, {URL: "tls://anna:of-anna@h1, tls://anna:of-anna@h2"}, {URL: "nats://x:y@host", User: "anna", Password: "of-anna"},
	} {
		if name, password := o.own(); name != "anna" || password != "of-anna" {
			t.Errorf("%+v: %s, %s", o, name, password)
		}
	}
}
