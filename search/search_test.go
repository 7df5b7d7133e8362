package search_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/search"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small is a search on a tiny model and pictures.
func small(t *testing.T) (permafrost.Config, search.Options) {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", "off")
	dir := t.TempDir()
	must(t, fixture.WriteModel(filepath.Join(dir, "tiny.onnx"), 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "photos", "train"), 12, 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "photos", "val"), 4, 3, 2))
	c := permafrost.DefaultConfig()
	c.Model, c.Data, c.Out, c.Epochs = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), filepath.Join(dir, "found"), 2
	return c, search.Options{Space: []byte("thaw: [head, \"last:1\"]\nlr: {log: [1e-4, 1e-1]}\n"), Trials: 4}
}

// TestStopped: a search that is stopped leaves a page and a result so far, and goes on to the result
// of one that was not; resumed after its end it says the same again.
func TestStopped(t *testing.T) {
	cfg, o := small(t)
	whole, err := search.Run(t.Context(), cfg, o)
	must(t, err)
	first := cfg.Out
	cfg.Out += "2"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var b bytes.Buffer
	o.Progress = &b
	ended := 0
	o.OnTrial = func(search.Trial) {
		if ended++; ended == 2 {
			stop()
		}
	}
	if _, err := search.Run(ctx, cfg, o); !errors.Is(err, permafrost.ErrInterrupted) {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 2 || !strings.Contains(b.String(), "  best\n") {
		t.Errorf("two trials show %q", b.String())
	}
	r, err := search.Read(cfg.Out)
	if err != nil || r.State != search.Unfinished || len(r.Trials) < 2 || r.Best == nil || r.Best.TestAccuracy != nil {
		t.Fatalf("stopped: %+v (%v)", r, err)
	}
	page, err := os.ReadFile(filepath.Join(cfg.Out, search.PageFile))
	if err != nil || !bytes.Contains(page, []byte("has not ended")) {
		t.Errorf("no page of a search that was stopped (%v)", err)
	}
	o.Resume, o.OnTrial, o.Progress = true, nil, nil
	for range 2 {
		if r, err = search.Run(t.Context(), cfg, o); err != nil {
			t.Fatal(err)
		}
		if r.State != search.Done || r.Best.Number != whole.Best.Number || *r.Best.TestAccuracy != *whole.Best.TestAccuracy || !reflect.DeepEqual(r.Pareto, whole.Pareto) {
			t.Errorf("resumed: %+v, else %+v", r.Best, whole.Best)
		}
	}
	for _, name := range []string{"model.onnx", "delta.safetensors"} {
		a, err := os.ReadFile(filepath.Join(first, "best", name))
		must(t, err)
		b, err := os.ReadFile(filepath.Join(cfg.Out, "best", name))
		must(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("%s of the resumed search has other bits", name)
		}
	}
	all, err := search.List(filepath.Dir(cfg.Out))
	if err != nil || len(all) != 2 || all[0].State != search.Done || all[0].Dir != first {
		t.Errorf("%+v (%v)", all, err)
	}
}
