package workers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

func TestMain(m *testing.M) {
	os.Setenv("PERMAFROST_CACHE", "off")
	if os.Getenv(roleKey) != "" {
		os.Exit(play())
	}
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small are the options of a search on a tiny model and pictures, with rungs from 16 trials on.
func small(t *testing.T, n int) trials.Options { return smallIn(t, t.TempDir(), n) }

func smallIn(t testing.TB, dir string, n int) trials.Options {
	t.Helper()
	must(t, fixture.WriteModel(filepath.Join(dir, "tiny.onnx"), 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "photos", "train"), 12, 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "photos", "val"), 4, 3, 2))
	c := config.DefaultConfig()
	c.Model, c.Data, c.Out, c.Epochs = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), filepath.Join(dir, "found"), 4
	return trials.Options{Config: c, Algorithm: "tpe", Objectives: []trials.Objective{trials.Accuracy}, Trials: n,
		Space: []byte("thaw: [head, \"last:1\"]\nlr: {log: [1e-4, 1e-1]}\n")}
}

// told is what a search found, without times and workers.
func told(s *trials.Search) []trials.Entry {
	out := s.Record().Trials()
	for i, e := range out {
		of := *e.Outcome
		of.Seconds, of.LatencyMS = 0, 0
		out[i] = trials.Entry{Trial: e.Trial, Rung: e.Rung, Point: e.Point, Outcome: &of}
	}
	return out
}

// alone runs a search in this process, in a folder of its own.
func alone(t *testing.T, o trials.Options) *trials.Search {
	t.Helper()
	o.Config.Out += "-alone"
	s, err := trials.New(t.Context(), o)
	must(t, err)
	must(t, s.Run(t.Context()))
	return s
}

// said keeps lines.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// open opens a crew on a server of its own.
func open(t *testing.T, store string, here bool) (*Crew, *said) {
	t.Helper()
	lines := &said{}
	c, err := Open(t.Context(), Options{Here: here, Tell: lines.add,
		Cluster: cluster.Options{Store: store, Listen: "127.0.0.1:0", Lapse: 2 * time.Second, Wait: 20 * time.Second}})
	must(t, err)
	t.Cleanup(c.Close)
	return c, lines
}

// work starts a worker in this process, which ends with the test or with stop.
func work(t *testing.T, url, name, dir string, elsewhere bool) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Work(ctx, WorkOptions{Cluster: cluster.Options{URL: url}, Name: name, Dir: dir, Tell: func(string) {}, elsewhere: elsewhere})
	}()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return stop
}

// on runs a search on the workers of a crew.
func on(t *testing.T, c *Crew, o trials.Options) (*trials.Search, error) {
	t.Helper()
	s, err := trials.New(t.Context(), o)
	must(t, err)
	r, err := c.Runner(t.Context(), s, false)
	must(t, err)
	s.Use(r)
	return s, s.Run(t.Context())
}

// TestSameAnywhere: any number of workers, to whom everything is sent, finds what one process finds.
func TestSameAnywhere(t *testing.T) {
	o := small(t, 18)
	want := alone(t, o)
	if len(want.Header.Rungs) == 0 {
		t.Fatal("the search has no rungs")
	}
	for n := 1; n <= 3; n += 2 {
		o := o
		o.Config.Out += strings.Repeat("+", n)
		c, lines := open(t, t.TempDir(), false)
		dir := t.TempDir()
		for i := range n {
			work(t, c.URL(), string(rune('a'+i)), dir, true)
		}
		s, err := on(t, c, o)
		must(t, err)
		if !reflect.DeepEqual(told(s), told(want)) {
			t.Errorf("%d workers found\n%v, one process\n%v\n%s", n, told(s), told(want), lines)
		}
		ran := map[string]int{}
		for _, e := range s.Entries {
			if e.Began == nil || e.Began.After(e.At) {
				t.Errorf("trial %d began at %v and ended at %v", e.Trial, e.Began, e.At)
			}
			ran[e.Worker]++
		}
		if len(ran) != n || len(s.Entries) != len(want.Entries) {
			t.Errorf("%d workers ran %v tasks, one process %d", n, ran, len(want.Entries))
		}
		if kept, _ := os.ReadDir(dir); len(kept) != 2 {
			t.Errorf("%d trees for one model and its data", len(kept))
		}
		must(t, c.Forget(t.Context()))
	}
}

// TestGoesOn: a trial goes on where it began, if nothing else is to be done.
func TestGoesOn(t *testing.T) {
	o := small(t, 16)
	c, _ := open(t, t.TempDir(), true)
	work(t, c.URL(), "a", "", false)
	work(t, c.URL(), "b", "", false)
	s, err := on(t, c, o)
	must(t, err)
	began, moved := map[int]string{}, 0
	on := 0
	for _, e := range s.Entries {
		if e.Rung > 0 {
			on++
			if began[e.Trial] != e.Worker {
				moved++
			}
		}
		began[e.Trial] = e.Worker
	}
	if on == 0 || 2*moved > on {
		t.Errorf("of %d tasks that went on, %d did so on another worker", on, moved)
	}
}

// TestAsync runs all trials, though in an order of its own, and is resumed.
func TestAsync(t *testing.T) {
	o := small(t, 18)
	o.Async = true
	c, _ := open(t, t.TempDir(), true)
	for _, name := range []string{"a", "b", "c"} {
		work(t, c.URL(), name, "", false)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := 0
	o.Ended = func(trials.Entry) {
		if ended++; ended == 6 {
			stop()
		}
	}
	s, err := trials.New(ctx, o)
	must(t, err)
	r, err := c.Runner(ctx, s, false)
	must(t, err)
	s.Use(r)
	if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	first := s.Record().Results()
	o.Ended, o.Resume = nil, true
	s, err = on(t, c, o)
	must(t, err)
	all := s.Record().Trials()
	if len(all) != 18 {
		t.Fatalf("%d trials", len(all))
	}
	for _, e := range first {
		if !slices.ContainsFunc(s.Entries, func(o trials.Entry) bool {
			return o.Trial == e.Trial && o.Point.Digest() == e.Point.Digest() && o.Outcome.Score == e.Outcome.Score
		}) {
			t.Errorf("trial %d is not as it was before the search was resumed", e.Trial)
		}
	}
	// The log of both runs reads as one search.
	r2, err := trials.ReadRecord(o.Config.Out)
	must(t, err)
	if !r2.Header.Async || len(r2.Trials()) != 18 {
		t.Errorf("the log has %d trials", len(r2.Trials()))
	}
}

// TestUnfit: a worker that cannot have the files leaves, and another does the work.
func TestUnfit(t *testing.T) {
	o := small(t, 3)
	c, lines := open(t, t.TempDir(), false)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	stop := work(t, c.URL(), "full", filepath.Join(file, "below"), true)
	go func() {
		for !strings.Contains(lines.String(), "full has left") {
			time.Sleep(10 * time.Millisecond)
		}
		work(t, c.URL(), "roomy", t.TempDir(), true)
	}()
	s, err := on(t, c, o)
	must(t, err)
	if err := stop(); !errors.Is(err, cluster.ErrUnfit) {
		t.Errorf("the worker without a folder ended with %v", err)
	}
	for _, e := range s.Entries {
		if e.Worker != "roomy" || e.Failed() {
			t.Errorf("trial %d: %s, %s", e.Trial, e.Worker, e.Outcome.Failed)
		}
	}
}

// TestChanged: files that have changed, where the search has them or where a worker keeps them, are
// not used.
func TestChanged(t *testing.T) {
	o := small(t, 2)
	want := alone(t, o)
	dir := t.TempDir()
	for k, harm := range []func(){
		func() {},
		func() { // a kept file
			models, _ := filepath.Glob(filepath.Join(dir, "*", "tiny.onnx"))
			if len(models) != 1 {
				t.Fatalf("%v", models)
			}
			must(t, fixture.WriteModel(models[0], 3, 9))
		},
	} {
		o := o
		o.Config.Out += strings.Repeat("+", 1+k)
		harm()
		c, _ := open(t, t.TempDir(), false)
		work(t, c.URL(), "w", dir, true)
		s, err := on(t, c, o)
		must(t, err)
		if !reflect.DeepEqual(told(s), told(want)) {
			t.Errorf("%d: %v, want %v", k, told(s), told(want))
		}
		c.Close()
	}
	// The examples change under the search, after they were sent.
	o.Config.Out += "+++"
	c, lines := open(t, t.TempDir(), false)
	s, err := trials.New(t.Context(), o)
	must(t, err)
	r, err := c.Runner(t.Context(), s, false)
	must(t, err)
	must(t, fixture.WritePictures(filepath.Join(o.Config.Data, "train"), 12, 3, 7))
	work(t, c.URL(), "w", dir, false)
	s.Use(r)
	must(t, s.Run(t.Context()))
	if !reflect.DeepEqual(told(s), told(want)) {
		t.Errorf("%v, want %v\n%s", told(s), told(want), lines)
	}
}
