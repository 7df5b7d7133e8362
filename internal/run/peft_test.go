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

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/peft"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// adapted is a fit of a network of PyTorch, with an adapter in peft's layout, to three classes.
func adapted(t *testing.T) config.Config {
	cfg := tinyConfig(t)
	cfg.Model, cfg.Data = filepath.Join("..", "peft", "testdata", "pictures.onnx"), t.TempDir()
	must(t, fixture.WriteStripes(cfg.Data, 3, 8))
	cfg.Adapter, cfg.Epochs, cfg.LR, cfg.Out = "peft:"+filepath.Join("..", "peft", "testdata", "convolutions"), 2, 0.01, t.TempDir()
	return cfg
}

// scoresOf runs a graph whose only input is x on made-up pictures.
func scoresOf(t *testing.T, g *ir.Graph) []float32 {
	t.Helper()
	s, err := compile.Model(g, compile.Options{Shapes: map[string]tensor.Shape{"x": {2, 3, 8, 8}}, Plain: true})
	must(t, err)
	p, err := compile.Region(s, compile.Memory{})
	must(t, err)
	x := tensor.New(tensor.Float32, 2, 3, 8, 8)
	for i, d := 0, x.F32(); i < len(d); i++ {
		d[i] = float32(math.Sin(float64(i)))
	}
	out, err := p.Run(context.Background(), x)
	must(t, err)
	return slices.Clone(out[0].F32())
}

// TestPEFT: a fit that goes on with an adapter of peft writes one of what it trained. Merged into the
// pretrained model, this gives the scores of the tuned one.
func TestPEFT(t *testing.T) {
	for name, edit := range map[string]func(*config.Config){
		"a new head":                  func(*config.Config) {},
		"the model's own head":        func(c *config.Config) { c.Head = "keep" },
		"merged":                      func(c *config.Config) { c.AdapterMerge = true },
		"a bias beside it":            func(c *config.Config) { c.Thaw = []string{"head", "conv1.bias"} },
		"begun here, not with peft":   func(c *config.Config) { c.Adapter, c.AdapterAlpha = "lora:1@conv1+lora:2@conv2", 3 },
		"without the end of training": func(c *config.Config) { c.Keep = "last" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := adapted(t)
			edit(&cfg)
			mustFit(t, cfg)
			a, err := peft.Read(filepath.Join(cfg.Out, AdapterDir))
			must(t, err)
			base, err := onnx.Open(cfg.Model)
			must(t, err)
			weights, _, err := a.Merged(base.Graph)
			must(t, err)
			for _, p := range base.Graph.Params() {
				if w := weights[p.Name]; w != nil {
					p.Data = w
				}
			}
			got := scoresOf(t, base.Graph)
			written, err := onnx.Open(filepath.Join(cfg.Out, ModelFile))
			must(t, err)
			want := scoresOf(t, written.Graph)
			for i := range want {
				if math.Abs(float64(got[i]-want[i])) > 1e-4*(1+math.Abs(float64(want[i]))) {
					t.Fatalf("scores %v with the adapter, %v of the tuned model", got, want)
				}
			}
			v, err := tuned.Verify(cfg.Model, filepath.Join(cfg.Out, ModelFile), "")
			if err != nil || v.Identical == cfg.AdapterMerge {
				t.Errorf("verify: %+v (%v)", v, err)
			}
		})
	}
}

// TestPEFTResumed: interrupted and resumed, such a fit ends in the same bits.
func TestPEFTResumed(t *testing.T) {
	cfg := adapted(t)
	mustFit(t, cfg)
	broken := cfg
	broken.Out = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := fit(t, ctx, broken, false, &stopper{2, cancel}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	cancel()
	if _, err := fit(t, context.Background(), broken, true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ModelFile, filepath.Join(AdapterDir, peft.WeightsFile), filepath.Join(AdapterDir, peft.ConfigFile)} {
		if !bytes.Equal(read(t, cfg.Out, name), read(t, broken.Out, name)) {
			t.Errorf("%s differs", name)
		}
	}
}

// TestPEFTRefused: what an adapter holds of frozen weights is refused.
func TestPEFTRefused(t *testing.T) {
	cfg := adapted(t)
	whole := filepath.Join(t.TempDir(), "whole")
	a, err := peft.Read(filepath.Join("..", "peft", "testdata", "convolutions"))
	must(t, err)
	a.Full = map[string]*tensor.Tensor{"conv1.bias": tensor.New(tensor.Float32, 6)}
	must(t, a.Write(whole))
	cfg.Adapter = "peft:" + whole
	_, err = Prepare(context.Background(), cfg)
	wantError(t, err, "option thaw conv1.bias")
	cfg.Thaw = []string{"head", "conv1.bias"}
	s, err := Prepare(context.Background(), cfg)
	must(t, err)
	if w := s.Net.Set.ByName("conv1.bias"); slices.ContainsFunc(w.Value.Data.F32(), func(x float32) bool { return x != 0 }) {
		t.Errorf("conv1.bias is %v, the adapter has zeros", w.Value.Data.F32())
	}
	cfg.Adapter = "peft:" + t.TempDir()
	_, err = Prepare(context.Background(), cfg)
	if wantError(t, err, "holds no adapter of peft"); !strings.Contains(err.Error(), "adapter") {
		t.Error(err)
	}
}
