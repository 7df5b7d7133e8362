package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// Exactly the numbers that a plan names move, the file, its delta and its proof agree, and a run
// that is interrupted and resumed ends in the same bits without measuring again.
func TestFitParts(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   func(*config.Config)
		trains int // numbers, the head apart; 0: any
	}{
		{"fisher", func(c *config.Config) { c.Thaw = []string{"head", "fisher:2%"} }, 0},
		{"fisher of some layers with the model's own head", func(c *config.Config) { c.Thaw, c.Head = []string{"layer2.*.weight", "fisher:10%"}, "keep" }, 0},
		{"magnitude", func(c *config.Config) { c.Thaw = []string{"kind:weight", "!head", "magnitude:2%"} }, 0},
		{"channels and rows", func(c *config.Config) {
			c.Thaw, c.Freeze = []string{"channels:layer2.0.conv1[0:3]", "rows:layer1.0.conv2.weight[-2:]", "head"}, []string{"rows:layer2.0.conv1.weight[1]"}
		}, 4 * 72},
		{"adapters beside a share", func(c *config.Config) {
			c.Thaw, c.Adapter, c.AdapterTargets = []string{"fisher:1%"}, "lora:1", []string{"layer1.*"}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := tinyConfig(t)
			cfg.Out, cfg.Epochs, cfg.LR = t.TempDir(), 2, 0.01
			c.edit(&cfg)
			r := mustFit(t, cfg)
			var plan freeze.Plan
			if err := json.Unmarshal(read(t, cfg.Out, PlanFile), &plan); err != nil || plan.Pending() {
				t.Fatalf("plan.json: %+v (%v)", plan.Share, err)
			}
			was, err := onnx.Open(cfg.Model)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(cfg.Out, ModelFile)
			is, err := onnx.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			moved, trains := 0, 0
			for _, p := range was.Params {
				now := is.Param(p.Name)
				e := plan.Of(p.Name)
				if now == nil || e.State == freeze.Tracking {
					continue
				}
				mask := e.ElementMask(p.Tensor.Shape)
				for i, v := range p.Tensor.F32() {
					live := e.State == freeze.Thaw || e.State == freeze.Partly && mask[i] == 1
					if live {
						trains++
					}
					if v != now.Tensor.F32()[i] {
						if moved++; !live {
							t.Fatalf("%s[%d] is frozen and moved", p.Name, i)
						}
					}
				}
			}
			want := trains
			if c.trains > 0 {
				want = c.trains
			} else if plan.Share.Elements != trains {
				t.Errorf("the share is of %d numbers, %d train", plan.Share.Elements, trains)
			}
			if trains != want || moved < trains*8/10 {
				t.Errorf("%d numbers train, want %d; %d moved", trains, want, moved)
			}
			v, err := tuned.Verify(cfg.Model, file, "")
			if err != nil || !v.Identical || r.FrozenDigestBefore != r.FrozenDigestAfter {
				t.Errorf("verify: %+v (%v)", v, err)
			}
			delta, again := filepath.Join(t.TempDir(), "d.safetensors"), filepath.Join(t.TempDir(), "again.onnx")
			d, err := tuned.Extract(cfg.Model, file, delta)
			if err != nil {
				t.Fatal(err)
			}
			sparse := false
			for name := range d.Tensors {
				sparse = sparse || strings.HasSuffix(name, ":indices")
			}
			if !sparse {
				t.Error("no tensor of the delta is sparse")
			}
			if err := tuned.Apply(cfg.Model, delta, again); err != nil || !bytes.Equal(read(t, file), read(t, again)) {
				t.Errorf("base and delta do not give the tuned file back: %v", err)
			}
			broken := cfg
			broken.Out = t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			if _, err := fit(t, ctx, broken, false, &stopper{4, cancel}); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			cancel()
			s, err := Prepare(context.Background(), broken)
			if err != nil {
				t.Fatal(err)
			}
			dir := &RunDir{broken.Out}
			if found, err := s.CheckResume(dir); err != nil || !found || s.Plans.Reach.Pending() {
				t.Fatalf("resume: %v, %v", found, err)
			}
			if _, err := s.Fit(context.Background(), dir, true); err != nil || !bytes.Equal(read(t, file), read(t, broken.Out, ModelFile)) {
				t.Errorf("resumed to other bits (%v)", err)
			}
		})
	}
}
