package dash_test

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/dash"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/search"
)

// fitVariable makes the test binary fit, in place of permafrost fit.
const fitVariable = "PERMAFROST_TEST_FIT"

func TestMain(m *testing.M) {
	if os.Getenv(fitVariable) != "" {
		os.Exit(fit(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fit is permafrost fit for the server under test.
func fit(args []string) int {
	c := config.DefaultConfig()
	fs := flag.NewFlagSet("fit", flag.ContinueOnError)
	fs.SetOutput(os.Stderr)
	c.Bind(fs)
	if err := fs.Parse(args); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := permafrost.Fit(ctx, permafrost.Config(c)); err != nil {
		fmt.Fprintf(os.Stderr, "permafrost fit: %v\n", err)
		return 2
	}
	return 0
}

// world is a folder with a model, data and runs.
type world struct{ dir, runs, model, data string }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	worldOnce sync.Once
	worldDir  string
)

// newWorld copies the runs that all tests share: a fit of the head, one that is deeper, one that
// failed, and one that was stopped in its first epoch.
func newWorld(t testing.TB) *world {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", "off")
	worldOnce.Do(func() {
		dir, err := os.MkdirTemp("", "dash")
		must(t, err)
		worldDir = dir
		w := &world{dir, filepath.Join(dir, "runs"), filepath.Join(dir, "models", "tiny.onnx"), filepath.Join(dir, "data", "photos")}
		must(t, os.MkdirAll(filepath.Dir(w.model), 0o777))
		must(t, fixture.WriteModel(w.model, 3, 1))
		must(t, fixture.WritePictures(filepath.Join(w.data, "train"), 12, 3, 1))
		must(t, fixture.WritePictures(filepath.Join(w.data, "val"), 4, 3, 2))
		for name, thaw := range map[string]string{"head": "head", "deep/last": "last:1"} {
			c := w.config()
			c.Thaw, c.Out = []string{thaw}, filepath.Join(w.runs, filepath.FromSlash(name))
			_, err := permafrost.Fit(t.Context(), c)
			must(t, err)
		}
		must(t, os.CopyFS(filepath.Join(w.runs, "broken"), os.DirFS(filepath.Join(w.runs, "head"))))
		must(t, os.WriteFile(filepath.Join(w.runs, "broken", "events.jsonl"), []byte("{\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"run_start\",\"epochs\":3}\n"+
			"{\"time\":\"2026-01-01T00:00:01Z\",\"type\":\"run_end\",\"status\":\"failed\",\"error\":\"the <disk> is full\",\"epochs\":1,\"seconds\":1}\n"), 0o666))
		must(t, os.MkdirAll(filepath.Join(w.runs, "stopped"), 0o777))
		must(t, os.Link(filepath.Join(w.runs, "head", "run.yaml"), filepath.Join(w.runs, "stopped", "run.yaml")))
		must(t, os.WriteFile(filepath.Join(w.runs, "stopped", "events.jsonl"), []byte("{\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"data\",\"task\":\"classify\",\"classes\":[\"a\",\"b\",\"c\"],\"train\":36,\"val\":12}\n"+
			"{\"time\":\"2026-01-01T00:00:01Z\",\"type\":\"encoded\",\"done\":16,\"total\":48}\n"+
			"{\"time\":\"2026-01-01T00:00:02Z\",\"type\":\"run_end\",\"status\":\"interrupted\",\"epochs\":0,\"seconds\":2}\n"), 0o666))
	})
	to := t.TempDir()
	must(t, os.CopyFS(to, os.DirFS(worldDir)))
	return &world{to, filepath.Join(to, "runs"), filepath.Join(to, "models", "tiny.onnx"), filepath.Join(to, "data", "photos")}
}

func (w *world) config() permafrost.Config {
	c := permafrost.DefaultConfig()
	c.Model, c.Data, c.Epochs, c.Preprocess = w.model, w.data, 3, "unit"
	return c
}

// more adds a search, a federation and a comparison.
func (w *world) more(t testing.TB) {
	t.Helper()
	c := w.config()
	c.Out = filepath.Join(w.runs, "hunt")
	_, err := search.Run(t.Context(), c, search.Options{Space: []byte("thaw: [head, \"last:1\"]\nlr: {log: [1e-4, 1e-1]}\n"), Trials: 8, Objectives: []string{"accuracy", "params", "train_seconds"}})
	must(t, err)
	c.Out, c.Epochs = filepath.Join(w.runs, "clinics"), 1
	c.Data, c.Val = filepath.Join(w.data, "train"), filepath.Join(w.data, "val")
	_, err = federate.Simulate(t.Context(), c, federate.Options{Rounds: 3}, federate.Clients{Number: 3})
	must(t, err)
	c = w.config()
	_, err = permafrost.Compare(t.Context(), c, permafrost.CompareOptions{Seeds: 2, Out: filepath.Join(w.runs, "plans")})
	must(t, err)
}

// serve serves the page of a world.
func (w *world) serve(t testing.TB, change func(o *dash.Options)) *httptest.Server {
	t.Helper()
	t.Setenv(fitVariable, "1")
	self, err := os.Executable()
	must(t, err)
	o := dash.Options{Runs: w.runs, Models: []string{filepath.Join(w.dir, "models")}, Data: []string{filepath.Join(w.dir, "data")}, Program: []string{self}}
	if change != nil {
		change(&o)
	}
	s, err := dash.New(o)
	must(t, err)
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return h
}
