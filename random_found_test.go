package permafrost_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// TestFound holds configurations of kinds in which random ones once broke a promise.
func TestFound(t *testing.T) {
	of := map[string]subject{}
	for _, s := range subjects(t, t.TempDir()) {
		of[s.name] = s
	}
	pictures, texts, prose, sounds, files := of["pictures"], of["texts"], of["prose"], of["sounds"], of["files"]
	for _, c := range []struct {
		name    string
		subject subject
		task    string // of the data
		change  func(c *permafrost.Config)
		stops   [][]int // interruptions, after so many steps of each part
		refused string  // part of the error; "" for a fit
	}{
		{"rounded values and a schedule", pictures, "classify", func(c *permafrost.Config) {
			c.Thaw, c.Schedule, c.Epochs, c.Batch, c.Optimizer, c.CachePrecision = []string{"last:1"}, "freezeout:30%", 3, 1, "sgd", "float16"
		}, [][]int{{1}, {9}, {20, 7}, {40}}, ""},
		{"rounded values of several lengths and a schedule", texts, "classify", func(c *permafrost.Config) {
			c.Thaw, c.Schedule, c.Epochs, c.Batch, c.CachePrecision = []string{"all"}, "lpft:2", 4, 4, "float16"
		}, [][]int{{1}, {4, 3}, {9}}, ""},
		{"a share and a schedule", pictures, "classify", func(c *permafrost.Config) {
			c.Thaw, c.Schedule, c.Epochs, c.Batch, c.Optimizer = []string{"head", "fisher:10%", "re:weight$"}, "badam", 3, 1, "sgd"
			c.Adapter, c.AdapterTargets = "lora:3", []string{"blocks.1.*"}
		}, [][]int{{1, 5}, {12, 12}}, ""},
		{"a share of nothing", pictures, "classify", func(c *permafrost.Config) {
			c.Thaw, c.Freeze, c.Adapter = []string{"last:1", "fisher:10%"}, []string{"last:1"}, "lora:3"
		}, nil, "fisher:10% of 0 numbers is none"},
		{"a share that leaves a schedule no choice", pictures, "classify", func(c *permafrost.Config) {
			c.Thaw, c.Schedule = []string{"all", "fisher:0.1%"}, "lisa:2"
		}, nil, "schedule lisa:2"},
		{"mixtures of bytes in a later stage", files, "classify", func(c *permafrost.Config) {
			c.Thaw, c.Schedule, c.Mixup = []string{"all"}, "gradual", 0.4
		}, nil, "cannot be mixed"},
		{"transcripts of texts", texts, "classify", func(c *permafrost.Config) { c.Task, c.Batch = "ctc", 4 }, nil, ""},
		{"transcripts from a map", sounds, "ctc", func(c *permafrost.Config) { c.Attach, c.Batch = []string{"/conv0/Relu_output_0"}, 4 }, nil, ""},
		{"transcripts from two values", sounds, "ctc", func(c *permafrost.Config) { c.Attach = []string{"/conv0/Relu_output_0", "/Flatten_output_0"} }, nil, "has 62 positions"},
		{"a cut", pictures, "classify", func(c *permafrost.Config) { c.Cut, c.Thaw = "blocks.0", []string{"head", "all"} }, nil, ""},
		{"a cut and a merged adapter", texts, "classify", func(c *permafrost.Config) {
			c.Cut, c.Skip, c.Adapter, c.AdapterMerge = "last:1", nil, "lora:2", true
		}, nil, ""},
		{"a skipped block and adapters behind it", texts, "classify", func(c *permafrost.Config) {
			c.Skip, c.Adapter, c.Epochs, c.Batch = []string{"blocks.0"}, "lora:2", 3, 4
		}, [][]int{{2}, {5}}, ""},
		{"all that can be skipped", texts, "regress", func(c *permafrost.Config) { c.Skip, c.Thaw = []string{"blocks.0,blocks.1"}, []string{"all"} }, nil, ""},
		{"a language model with a skipped block", prose, "lm", func(c *permafrost.Config) {
			c.Skip, c.Thaw, c.MaxLength = []string{"blocks.1"}, []string{"last:1"}, 12
		}, nil, ""},
		{"a cut and a value to attach to", pictures, "classify", func(c *permafrost.Config) { c.Cut, c.Attach = "last:1", []string{"/Flatten_output_0"} }, nil, "cut: option attach says too"},
		{"a skipped block without a shortcut", pictures, "classify", func(c *permafrost.Config) { c.Skip = []string{"blocks.1"} }, nil, "none of the model's blocks can"},
		{"dropout in a head on frozen features", pictures, "classify", func(c *permafrost.Config) {
			c.HeadDropout, c.Epochs, c.Batch = 0.3, 3, 4
		}, [][]int{{1}, {6, 3}}, ""},
		{"dropout in a head of several layers", texts, "multilabel", func(c *permafrost.Config) {
			c.Head, c.HeadActivation, c.HeadDropout, c.Thaw, c.Epochs, c.Batch = "mlp:6,4", "gelu", 0.3, []string{"last:1"}, 3, 4
		}, [][]int{{1}, {6, 3}}, ""},
		{"the loss of numbers", pictures, "regress", func(c *permafrost.Config) { c.Thaw, c.Batch = []string{"last:1"}, 4 }, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := permafrost.DefaultConfig()
			cfg.Model, cfg.Data, cfg.Threads, cfg.LR = c.subject.models[0], c.subject.data[c.task], 2, 3e-3
			c.change(&cfg)
			trial := &trial{d: seeded(1, 1), cfg: cfg, dir: t.TempDir()}
			t.Setenv("PERMAFROST_CACHE", filepath.Join(trial.dir, "cache"))
			if err := trial.hold(); err != nil {
				t.Fatal(err)
			}
			switch {
			case c.refused == "" && trial.refused != nil:
				t.Fatal(trial.refused)
			case c.refused != "" && (trial.refused == nil || !strings.Contains(trial.refused.Error(), c.refused)):
				t.Fatalf("error %v, want one with %q", trial.refused, c.refused)
			}
			if len(c.stops) == 0 {
				return
			}
			base, err := trial.fit(cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, stops := range c.stops {
				if err := trial.resumedAfter(base, stops...); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
