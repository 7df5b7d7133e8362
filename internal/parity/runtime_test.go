package parity

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// runtime gives the scores of a file on inputs in ONNX Runtime. It skips where that is not
// installed.
func runtime(t *testing.T, path string, x *tensor.Tensor) []float64 {
	t.Helper()
	input := filepath.Join(t.TempDir(), "input.bin")
	if err := os.WriteFile(input, x.Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	var dims []string
	for _, d := range x.Shape {
		dims = append(dims, strconv.Itoa(d))
	}
	return onnxRuntime(t, "ort_logits.mjs", path, strings.Join(dims, ","), input)
}

// onnxRuntime gives the numbers that a script prints. It skips where ONNX Runtime is not installed.
func onnxRuntime(t *testing.T, script string, args ...string) []float64 {
	t.Helper()
	out, err := exec.Command("node", append([]string{script}, args...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.Is(err, exec.ErrNotFound) || errors.As(err, &exit) && strings.Contains(string(exit.Stderr), "Cannot find module 'onnxruntime-node'") {
			t.Skip("no node with onnxruntime-node (PERMAFROST_ORT names its node_modules folder)")
		}
		if exit != nil {
			t.Fatalf("ONNX Runtime: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var r struct{ Data []float64 }
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r.Data
}

// TestTunedFiles fine-tunes networks and gives the tuned files to the onnx checker and to ONNX
// Runtime, whose scores are those of predict within 1e-4, or 1e-4 of the largest where that is
// above 1.
func TestTunedFiles(t *testing.T) {
	f := load(t, "tiny_vit")
	for _, c := range []struct {
		name  string
		model string // a name without a folder is that of a shared model
		set   func(*permafrost.Config)
	}{
		{"vision transformer, new head", filepath.Join(f.dir, "model.onnx"), nil},
		{"vision transformer, deep head and last block", filepath.Join(f.dir, "model.onnx"), func(c *permafrost.Config) {
			c.Head, c.Thaw = "mlp:16", []string{"head", "last:1"}
		}},
		{"batch norm kept, everything", "resnet20-cifar10.onnx", func(c *permafrost.Config) { c.Thaw = []string{"all"} }},
		{"batch norm folded, own head", "resnet20-cifar10-folded.onnx", func(c *permafrost.Config) { c.Head = "keep" }},
		{"vision transformer, lora", filepath.Join(f.dir, "model.onnx"), func(c *permafrost.Config) { c.Adapter, c.AdapterAlpha, c.LR = "lora:2", 4, 0.01 }},
		{"vision transformer, ia3 and a thawed block", filepath.Join(f.dir, "model.onnx"), func(c *permafrost.Config) {
			c.Adapter, c.LR, c.Thaw = "ia3", 0.03, []string{"head", "last:1"}
		}},
		{"batch norm kept, lora", "resnet20-cifar10.onnx", func(c *permafrost.Config) { c.Adapter, c.LR = "lora:4", 0.005 }},
		{"batch norm folded, own head, ia3", "resnet20-cifar10-folded.onnx", func(c *permafrost.Config) { c.Adapter, c.Head, c.LR = "ia3", "keep", 0.01 }},
		{"batch norm folded, lora merged", "resnet20-cifar10-folded.onnx", func(c *permafrost.Config) {
			c.Adapter, c.AdapterMerge, c.LR = "lora:4", true, 0.005
		}},
		{"a share of the numbers", "resnet20-cifar10.onnx", func(c *permafrost.Config) { c.Thaw = []string{"fisher:0.5%"} }},
		{"trunk without classifier", "mobilenetv1-imagenet-trunk.onnx", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if filepath.Base(c.model) == c.model {
				c.model = shared.Path(t, "models", c.model)
			}
			cfg := permafrost.DefaultConfig()
			cfg.Model, cfg.Data = c.model, filepath.Join(f.dir, "pictures")
			cfg.Val, cfg.Out = cfg.Data, filepath.Join(t.TempDir(), "run")
			cfg.Epochs, cfg.Batch, cfg.Cache = 2, 8, "ram"
			if c.set != nil {
				c.set(&cfg)
			}
			if _, err := permafrost.Fit(context.Background(), cfg); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(cfg.Out, "model.onnx")
			if p := python(); p != "" {
				if out, err := exec.Command(p, "check.py", path).CombinedOutput(); err != nil {
					t.Errorf("the onnx checker: %s", out)
				}
			}

			m, err := tuned.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			said, _, err := m.Predict(context.Background(), f.pictures(t))
			if err != nil {
				t.Fatal(err)
			}
			ds, err := m.Feed.OpenInputs(context.Background(), feed.Inputs(feed.KindPicture, f.pictures(t)), data.Options{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			for b, err := range ds.Loader(f.Batch).Batches(context.Background(), data.FileOrder(ds.Len()), data.Plain) {
				if err != nil {
					t.Fatal(err)
				}
				scores := runtime(t, path, b.Inputs[0])
				worst, largest := 0.0, 0.0
				for k, i := range b.Indices {
					for j, v := range said[i].Logits {
						largest = max(largest, math.Abs(float64(v)))
						worst = max(worst, math.Abs(float64(v)-scores[k*len(said[i].Logits)+j]))
					}
				}
				t.Logf("off by %.1e, largest score %.3g", worst, largest)
				if !(worst <= 1e-4*max(1, largest)) { // float32 sums of large scores round in larger steps
					t.Errorf("ONNX Runtime's scores are off by %.1e", worst)
				}
			}
		})
	}
}
