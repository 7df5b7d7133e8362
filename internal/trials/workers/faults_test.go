//go:build unix

package workers

import (
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// TestKilled kills workers in a trial, each for good, and holds one still until it is given up: the
// search finds the same, and runs again only what they had begun.
func TestKilled(t *testing.T) {
	needsTime(t)
	o := small(t, 18)
	want := alone(t, o)
	c, lines := open(t, t.TempDir(), true)
	first, second := start(t, c.URL(), "first"), start(t, c.URL(), "second")
	begun := 0
	o.Started = func(trials.Entry) {
		switch begun++; begun {
		case 3:
			must(t, first.Process.Kill())
			start(t, c.URL(), "third")
		case 8:
			must(t, second.Process.Signal(syscall.SIGSTOP))
			time.AfterFunc(4*time.Second, func() { _ = second.Process.Signal(syscall.SIGCONT) })
		}
	}
	s, err := on(t, c, o)
	must(t, err)
	if !reflect.DeepEqual(told(s), told(want)) {
		t.Errorf("%v, want %v\n%s", told(s), told(want), lines)
	}
	if n := len(want.Entries); begun < n || begun > n+2 {
		t.Errorf("%d attempts for %d tasks and two faults\n%s", begun, n, lines)
	}
}

// TestPoisoned gives up a trial that always kills its worker, and goes on.
func TestPoisoned(t *testing.T) {
	needsTime(t)
	o := small(t, 4)
	want := alone(t, o)
	c, lines := open(t, t.TempDir(), true)
	for range 4 { // one more than a trial can kill
		start(t, c.URL(), "w", "WORKERS_TEST_DIE=2-0-")
	}
	s, err := on(t, c, o)
	must(t, err)
	for i, e := range told(s) {
		if e.Trial == 2 {
			if !strings.Contains(e.Outcome.Failed, "given up after 3 attempts; attempt 3: worker w was lost") {
				t.Errorf("trial 2: %q\n%s", e.Outcome.Failed, lines)
			}
		} else if !reflect.DeepEqual(e, told(want)[i]) {
			t.Errorf("%v, want %v", e, told(want)[i])
		}
	}
}

// TestOtherVersion refuses a worker by its version, and waits for another.
func TestOtherVersion(t *testing.T) {
	o := small(t, 2)
	c, _ := open(t, t.TempDir(), true)
	done := make(chan error, 1)
	var met atomic.Bool
	o.Started = func(trials.Entry) { met.Store(true) }
	go func() {
		err := Work(t.Context(), WorkOptions{Cluster: cluster.Options{URL: c.URL(), Version: "0.0.9"}, Name: "old", Tell: func(string) {}})
		if met.Load() {
			t.Error("a worker of another version ran a trial")
		}
		done <- err
		_ = Work(t.Context(), WorkOptions{Cluster: cluster.Options{URL: c.URL()}, Name: "new", Tell: func(string) {}})
	}()
	s, err := on(t, c, o)
	must(t, err)
	if err := <-done; err == nil || !strings.Contains(err.Error(), "has version 0.0.9") || !strings.Contains(err.Error(), version()) {
		t.Error(err)
	}
	for _, e := range s.Entries {
		if e.Worker != "new" {
			t.Errorf("%+v", e)
		}
	}
}

// TestServerKilled kills the server, which is a process of its own, and harms its files.
func TestServerKilled(t *testing.T) {
	needsTime(t)
	o := small(t, 18)
	want := alone(t, o)
	for name, harm := range map[string]func(file string, b []byte) error{
		"killed":  func(string, []byte) error { return nil },
		"torn":    func(file string, b []byte) error { return os.Truncate(file, int64(len(b)/2)) },
		"flipped": func(file string, b []byte) error { b[len(b)/2] ^= 1; return os.WriteFile(file, b, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Config.Out += name
			store := t.TempDir()
			server, url := startServer(t, store, "0")
			lines := &said{}
			c, err := Open(t.Context(), Options{Here: true, Tell: lines.add, Cluster: cluster.Options{URL: url, Lapse: 2 * time.Second, Wait: 20 * time.Second}})
			must(t, err)
			defer c.Close()
			start(t, url, "a")
			start(t, url, "b")
			ended := 0
			o.Ended = func(trials.Entry) {
				if ended++; ended != 6 {
					return
				}
				must(t, server.Process.Kill())
				_ = server.Wait()
				must(t, harmStreams(store, harm))
				startServer(t, store, portOf(url))
			}
			s, err := on(t, c, o)
			if err != nil || !reflect.DeepEqual(told(s), told(want)) {
				t.Fatalf("%v, want %v (%v)\n%s", told(s), told(want), err, lines)
			}
		})
	}
}
