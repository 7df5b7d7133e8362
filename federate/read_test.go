package federate

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// TestRead: the folder of a federation says what it has come to: while it goes on, when it was
// stopped, and at its end the same as its result. It is a run, and no fit goes on with it.
func TestRead(t *testing.T) {
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Preprocess, cfg.Epochs, cfg.Batch, cfg.Cache = filepath.Join(t.TempDir(), "tiny.onnx"), t.TempDir(), "unit", 1, 8, "ram"
	cfg.Out = filepath.Join(t.TempDir(), "run")
	for _, err := range []error{fixture.WriteResidualModel(cfg.Model), fixture.WriteStripes(cfg.Data, 4, 16)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(cfg.Out); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("no folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	read := func(want string, rounds int) *Result {
		t.Helper()
		r, err := Read(cfg.Out)
		if err != nil {
			t.Fatal(err)
		}
		if r.State != want || r.Rounds != rounds || r.Planned != 5 || len(r.History) != rounds {
			t.Errorf("%s with %d of %d rounds, want %s with %d", r.State, r.Rounds, r.Planned, want, rounds)
		}
		return r
	}
	o := Options{Rounds: 5, MinClients: 1, Compress: "int8"}
	o.OnRound = func(r Round) {
		read(permafrost.RunUnfinished, r.Number)
		if r.Number == 2 {
			cancel()
		}
	}
	if _, err := Simulate(ctx, cfg, o, Clients{Number: 3, Drop: 0.2}); !errors.Is(err, permafrost.ErrInterrupted) {
		t.Fatal(err)
	}
	read(permafrost.RunInterrupted, 2)
	if _, err := permafrost.LoadRun(cfg.Out); !errors.Is(err, permafrost.ErrBadInput) || !strings.Contains(err.Error(), "holds a federation") {
		t.Errorf("a fit would go on with it: %v", err)
	}
	o.OnRound, o.Resume = nil, true
	got, err := Simulate(t.Context(), cfg, o, Clients{Number: 3, Drop: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	r := read(permafrost.RunDone, 5)
	r.Seconds, r.PeakRSS, r.Notes = got.Seconds, got.PeakRSS, got.Notes // of this process alone, in the result
	a, _ := json.Marshal(got)
	b, err := json.Marshal(r)
	if err != nil || string(a) != string(b) {
		t.Errorf("%v\nresult %s\nfolder %s", err, a, b)
	}
	runs, damaged, err := permafrost.ListRuns(cfg.Out)
	if err != nil || len(damaged) > 0 || len(runs) != 1 {
		t.Fatal(runs, damaged, err)
	}
	if l := runs[0]; l.State != permafrost.RunDone || l.Epochs != 5 || l.Planned != 5 || len(l.Curve) != 5 || l.BestEpoch != r.BestRound || l.ValAccuracy == nil || *l.ValAccuracy != r.ValAccuracy || l.ParamsThawed != r.ParamsThawed {
		t.Errorf("listed as %+v", l)
	}
	page, err := os.ReadFile(filepath.Join(cfg.Out, PageFile))
	if err != nil || !strings.Contains(string(page), "5 rounds in") {
		t.Errorf("the page: %v", err)
	}
	// A fit's folder is no federation.
	fit := cfg
	fit.Out = filepath.Join(t.TempDir(), "fit")
	if _, err := permafrost.Fit(t.Context(), fit); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(fit.Out); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("a fit's folder: %v", err)
	}
	if _, err := Simulate(t.Context(), fit, o, Clients{Number: 3}); !errors.Is(err, permafrost.ErrBadInput) || !strings.Contains(err.Error(), "holds a fit") {
		t.Errorf("a federation goes on with a fit: %v", err)
	}
}
