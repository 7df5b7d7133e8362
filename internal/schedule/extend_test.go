package schedule_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// TestExtending fits by the schedule of docs/extending.md. Help and the check of options know it.
func TestExtending(t *testing.T) {
	dir := t.TempDir()
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos"), filepath.Join(dir, "run")
	cfg.Preprocess, cfg.Epochs, cfg.Batch, cfg.Cache, cfg.Schedule = "unit", 2, 6, "ram", "zigzag:3"
	if err := fixture.WriteModel(cfg.Model, 5, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WritePictures(cfg.Data, 8, 3, 1); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(config.Values("schedule"), "zigzag") {
		t.Errorf("the words of the option are %q", config.Values("schedule"))
	}
	s, err := run.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var changes changes
	if _, err := s.Fit(t.Context(), nil, false, &changes); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"0 the blocks take turns: ",
		"3 the blocks take turns: blocks.1.conv.weight blocks.1.norm.weight blocks.1.norm.bias",
		"6 the blocks take turns: blocks.0.conv.weight blocks.0.norm.weight blocks.0.norm.bias",
	}
	if !slices.Equal(changes, want) {
		t.Errorf("changes of the plan: %q, want %q", changes, want)
	}
	cfg.Schedule = "zigzag:x"
	if err := cfg.Validate(); err == nil {
		t.Error("an argument that is no number passes")
	}
}

// changes notes what begins to train, at which step.
type changes []string

func (c *changes) Emit(_ time.Time, e report.Event) {
	if e, ok := e.(*report.PlanChange); ok {
		*c = append(*c, fmt.Sprint(e.Step, " ", e.Reason, ": ", strings.Join(e.Thawed, " ")))
	}
}
