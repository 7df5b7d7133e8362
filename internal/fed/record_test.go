package fed

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// TestReadRecord: of a round that was lost with its process and made again, the later lines count; a
// client that was refused and joined later is a member.
func TestReadRecord(t *testing.T) {
	c := config.DefaultConfig()
	c.Model = "net.onnx"
	path := filepath.Join(t.TempDir(), "run")
	dir, err := run.CreateRunDir(path, &c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRecord(path); err == nil || !strings.Contains(err.Error(), "holds no federation") {
		t.Errorf("without %s: %v", SettingsFile, err)
	}
	if err := dir.WriteFile(SettingsFile, []byte(`{"settings":{"rounds":3,"strategy":"krum:1","deadline":"1m0s","wait":"1m0s"}}`)); err != nil {
		t.Fatal(err)
	}
	log, err := dir.OpenLog()
	if err != nil {
		t.Fatal(err)
	}
	events := report.NewEvents(log)
	round := func(n int, step float64, best bool) {
		events.Emit(&report.RoundEvent{Round: n, Step: step, Clients: []report.RoundPart{{Client: "a"}}, Rejected: []report.RoundWhy{{Client: "b", Why: "too long"}}})
		events.Emit(&report.EpochEvent{Epoch: n, Best: best})
	}
	events.Emit(&report.RunStart{Epochs: 3, Epoch: 1})
	events.Emit(&report.ClientEvent{Client: "a", Examples: 5, Base: 7})
	events.Emit(&report.ClientEvent{Client: "b", Refused: "another model"})
	round(1, 1, true)
	round(2, 2, true)
	events.Emit(&report.RunStart{Epochs: 4, Epoch: 2, Resumed: true})
	events.Emit(&report.ClientEvent{Client: "b", Examples: 6})
	round(2, 3, false)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := ReadRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rounds) != 2 || r.Rounds[1].Step != 3 || r.Best() != 0 || r.Start.Epochs != 4 || r.State() != run.Unfinished || r.Settings.Strategy != "krum:1" {
		t.Errorf("%+v", r)
	}
	if a, b := r.Members["a"], r.Members["b"]; a != (Member{Examples: 5, Rounds: 2, Base: 7}) || b != (Member{Examples: 6}) || len(r.Refused) != 0 {
		t.Errorf("members %+v, refused %v", r.Members, r.Refused)
	}
}
