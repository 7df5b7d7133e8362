package run

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// A fit with adapters writes a file that scores as training said, has every frozen weight's bytes,
// gives itself back from its delta and, interrupted and resumed, ends in the same bits.
func TestFitAdapters(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*config.Config)
		added   string // one of the new weights
		changed string // what verify names, "" for nothing
	}{
		{"lora", func(c *config.Config) { c.Adapter = "lora:2" }, "layer1.0.conv1.lora_A", ""},
		{"ia3 beside thawed weights", func(c *config.Config) {
			c.Adapter, c.Thaw = "ia3", []string{"head", "kind:norm", "layer2.0.conv2.weight"}
		}, "conv1.ia3", ""},
		{"lora with the model's own head", func(c *config.Config) { c.Adapter, c.Head, c.AdapterTargets = "lora:1", "keep", []string{"layer2.*"} }, "layer2.0.conv2.lora_B", ""},
		{"lora before a deep head that reads an earlier value", func(c *config.Config) {
			c.Adapter, c.Head, c.Attach = "lora:2", "mlp:6", []string{"/layer1/layer1.0/conv2/Conv_output_0", "/layer1/layer1.0/Relu_1"}
		}, "layer1.0.conv2.lora_B", ""},
		{"by layer", func(c *config.Config) { c.Adapter = "lora:3@layer2.*+ia3@conv1.*+lora:1" }, "conv1.ia3", ""},
		{"by layer, merged", func(c *config.Config) {
			c.Adapter, c.AdapterMerge = "lora:2+ia3@conv1.*+none@layer2.*", true
		}, "head.linear.weight", "layer1.0.conv1.weight"},
		{"merged lora", func(c *config.Config) { c.Adapter, c.AdapterMerge, c.AdapterAlpha = "lora:2", true, 4 }, "head.linear.weight", "layer1.0.conv1.weight"},
		{"merged ia3 with the model's own head", func(c *config.Config) { c.Adapter, c.AdapterMerge, c.Head = "ia3", true, "keep" }, "", "conv1.weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := tinyConfig(t)
			cfg.Out, cfg.Epochs, cfg.LR = t.TempDir(), 2, 0.02
			c.edit(&cfg)
			r := mustFit(t, cfg)
			file := filepath.Join(cfg.Out, ModelFile)
			v, err := tuned.Verify(cfg.Model, file, "")
			if err != nil || v.Identical != (c.changed == "") || c.changed != "" && !slices.Contains(v.Changed, c.changed) {
				t.Fatalf("verify: %+v (%v)", v, err)
			}
			if c.added != "" && !slices.Contains(v.Added, c.added) {
				t.Errorf("added %v, want %s among them", v.Added, c.added)
			}
			if c.changed != "" && slices.ContainsFunc(v.Added, func(s string) bool { return strings.Contains(s, "lora") || strings.Contains(s, "ia3") }) {
				t.Errorf("merged adapters were written too: %v", v.Added)
			}
			p, err := tuned.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Eval(context.Background(), cfg.Data)
			if err != nil {
				t.Fatal(err)
			}
			if e.Accuracy != r.ValAccuracy || math.Abs(e.Loss-r.ValLoss) > 1e-4*(1+r.ValLoss) {
				t.Errorf("the tuned file has accuracy %g and loss %g, the fit said %g and %g", e.Accuracy, e.Loss, r.ValAccuracy, r.ValLoss)
			}
			checkDelta(t, cfg)
			broken := cfg
			broken.Out = t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			if _, err := fit(t, ctx, broken, false, &stopper{4, cancel}); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			cancel()
			if _, err := fit(t, context.Background(), broken, true); err != nil || !bytes.Equal(read(t, file), read(t, broken.Out, ModelFile)) {
				t.Errorf("resumed to other bits (%v)", err)
			}
		})
	}
}

// The network with fresh adapters gives the features of the network without, and a tuned file with
// adapters is a base like any other.
func TestAdaptersAgain(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Out, cfg.Adapter = t.TempDir(), "lora:2"
	plain := cfg
	plain.Adapter = ""
	var features [2][]float32
	for i, c := range []config.Config{plain, cfg} {
		s, err := Prepare(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		features[i] = featuresOf(t, s)
	}
	for i, v := range features[0] {
		if d := math.Abs(float64(v - features[1][i])); d > 1e-5*(1+math.Abs(float64(v))) {
			t.Fatalf("feature %d is %g, with adapters %g", i, v, features[1][i])
		}
	}
	mustFit(t, cfg)
	again := cfg
	again.Model, again.Out, again.Head, again.Adapter = filepath.Join(cfg.Out, ModelFile), t.TempDir(), "keep", "ia3"
	mustFit(t, again)
	m, err := onnx.Open(filepath.Join(again.Out, ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conv1.lora_A", "conv1.ia3", "head.linear.weight"} {
		if m.Param(name) == nil {
			t.Errorf("the file lacks %s", name)
		}
	}
	if v, err := tuned.Verify(again.Model, filepath.Join(again.Out, ModelFile), ""); err != nil || !v.Identical {
		t.Errorf("verify: %+v (%v)", v, err)
	}
}

// featuresOf is what the head reads of every training example.
func featuresOf(t *testing.T, s *Session) []float32 {
	t.Helper()
	ctx := context.Background()
	e, err := keep.OpenFeatures(ctx, s.Net, s.Train, s.KeepOptions())
	if err != nil {
		t.Fatal(err)
	}
	width := s.Net.Headed.Features
	rows := make([]float32, s.Train.Len()*width)
	if err := e.Rows(ctx, rows, width, s.Config.Batch, func(net *split.Network, b *split.Batch) ([]*tensor.Tensor, error) {
		p, err := net.Features(len(b.Indices))
		if err != nil {
			return nil, err
		}
		return p.Run(ctx, b.Values...)
	}); err != nil {
		t.Fatal(err)
	}
	return rows
}
