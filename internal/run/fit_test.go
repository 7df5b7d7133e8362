package run

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// fit runs a configuration in a fresh run directory.
func fit(t testing.TB, ctx context.Context, c config.Config, resume bool, sinks ...report.Sink) (*Result, error) {
	t.Helper()
	s, err := Prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	dir := &RunDir{c.Out}
	if !resume {
		if dir, err = CreateRunDir(c.Out, &s.Config); err != nil {
			t.Fatal(err)
		}
	}
	return s.Fit(ctx, dir, resume, sinks...)
}

func mustFit(t testing.TB, c config.Config) *Result {
	t.Helper()
	r, err := fit(t, context.Background(), c, false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFitLearnsAndLeavesFrozenBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*config.Config)
		want float64
	}{
		{"head", func(c *config.Config) { c.Epochs = 0 }, 0.7},
		{"last block", func(c *config.Config) { c.Thaw, c.Epochs, c.LR = []string{"last:1"}, 12, 0.01 }, 0.8},
		{"all, sgd", func(c *config.Config) {
			c.Thaw, c.Epochs, c.Optimizer, c.Momentum, c.LR = []string{"all"}, 12, "sgd", 0.9, 0.01
		}, 0.8},
		{"keep, norms, accumulation, clipping, warm-up", func(c *config.Config) {
			c.Thaw, c.Head, c.Epochs, c.Accumulate, c.Clip, c.Warmup, c.LR = []string{"head", "kind:norm"}, "keep", 12, 2, 1, 0.1, 0.03
		}, 0.7},
		{"augmented, no cache", func(c *config.Config) { c.Augment, c.Epochs, c.Cache, c.LR = "flip,crop:0.9", 20, "off", 0.01 }, 0.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := tinyConfig(t)
			cfg.Out = t.TempDir()
			c.edit(&cfg)
			r := mustFit(t, cfg)
			if r.ValAccuracy < c.want {
				t.Errorf("validation accuracy %.3f, want %.2f", r.ValAccuracy, c.want)
			}
			if r.FrozenDigestBefore != r.FrozenDigestAfter {
				t.Error("the frozen digest changed")
			}
			v, err := tuned.Verify(cfg.Model, filepath.Join(cfg.Out, ModelFile), "")
			if err != nil || !v.Identical {
				t.Fatalf("verify: %+v (%v)", v, err)
			}
			p, err := tuned.Open(filepath.Join(cfg.Out, ModelFile))
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Eval(context.Background(), cfg.Data)
			if err != nil {
				t.Fatal(err)
			}
			// The written file, with the standardisation folded in, scores as training said.
			if e.Accuracy != r.ValAccuracy || math.Abs(e.Loss-r.ValLoss) > 1e-4*(1+r.ValLoss) {
				t.Errorf("the tuned file has accuracy %g and loss %g, the fit said %g and %g", e.Accuracy, e.Loss, r.ValAccuracy, r.ValLoss)
			}
		})
	}
}

// A changed bit in a frozen tensor is found and named; the delta gives the tuned file back.
func TestVerifyAndDelta(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Out, cfg.Thaw = t.TempDir(), []string{"last:1"}
	mustFit(t, cfg)
	file := filepath.Join(cfg.Out, ModelFile)
	m, err := onnx.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	w := m.Param("layer1.0.conv1.weight").Tensor.Clone()
	w.Bytes[40] ^= 1
	forged := filepath.Join(t.TempDir(), "forged.onnx")
	if err := m.WriteFile(forged, &onnx.Patch{Tensors: map[string]*tensor.Tensor{"layer1.0.conv1.weight": w}}); err != nil {
		t.Fatal(err)
	}
	v, err := tuned.Verify(cfg.Model, forged, filepath.Join(cfg.Out, PlanFile))
	if err != nil || v.Identical || strings.Join(v.Changed, " ") != "layer1.0.conv1.weight" {
		t.Errorf("one flipped bit: %+v (%v)", v, err)
	}
	delta, again := filepath.Join(t.TempDir(), "d.safetensors"), filepath.Join(t.TempDir(), "again.onnx")
	f, err := tuned.Extract(cfg.Model, file, delta)
	if err != nil {
		t.Fatal(err)
	}
	if f.Tensors["layer1.0.conv1.weight"] != nil || f.Tensors["layer2.0.conv1.weight"] == nil {
		t.Error("the delta does not hold exactly what changed")
	}
	if err := tuned.Apply(cfg.Model, delta, again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, file), read(t, again)) {
		t.Error("base and delta do not give the tuned file back")
	}
	if err := tuned.Apply(file, delta, again); err == nil || !strings.Contains(err.Error(), "another base") {
		t.Errorf("a delta on another base: %v", err)
	}
}

// The same seed gives the same bits whatever the number of threads, with and without a store.
func TestDeterminism(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	var want []byte
	for i, threads := range []int{1, 2, 3} {
		cfg := tinyConfig(t)
		cfg.Out, cfg.Thaw, cfg.Threads = t.TempDir(), []string{"layer2.*"}, threads
		if i == 2 {
			cfg.Cache = "off"
		}
		mustFit(t, cfg)
		got := read(t, cfg.Out, ModelFile)
		if want == nil {
			want = got
		} else if !bytes.Equal(got, want) {
			t.Errorf("%d threads give other bits than 1", threads)
		}
	}
}

// Computing values again instead of keeping them changes the memory and not a bit of the result.
func TestMemoryBudget(t *testing.T) {
	var want []byte
	sizes := map[int64]int{}
	for _, budget := range []int64{0, 64 << 10} {
		cfg := tinyConfig(t)
		cfg.Out, cfg.Thaw, cfg.Memory = t.TempDir(), []string{"all"}, budget
		s, err := Prepare(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := CreateRunDir(cfg.Out, &s.Config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Fit(context.Background(), dir, false); err != nil {
			t.Fatal(err)
		}
		step, err := s.Net.Train(cfg.Batch)
		if err != nil {
			t.Fatal(err)
		}
		sizes[budget] = step.Program.ArenaBytes()
		if got := read(t, cfg.Out, ModelFile); want == nil {
			want = got
		} else if !bytes.Equal(got, want) {
			t.Error("recomputation changed the result")
		}
	}
	if sizes[64<<10] >= sizes[0]*9/10 {
		t.Errorf("with a budget a step takes %d bytes, without %d", sizes[64<<10], sizes[0])
	}
}

// stopper cancels a run after a number of optimiser steps.
type stopper struct {
	after  int
	cancel func()
}

func (s *stopper) Emit(_ time.Time, e report.Event) {
	if st, ok := e.(*report.StepEvent); ok && st.Step == s.after {
		s.cancel()
	}
}

// A run that is interrupted, in the middle of an epoch or at its end, and resumed ends in the bits
// of an unbroken one.
func TestResume(t *testing.T) {
	base := tinyConfig(t)
	base.Thaw, base.Epochs, base.Patience, base.LabelSmoothing = []string{"last:1"}, 4, 3, 0.1
	whole := base
	whole.Out = t.TempDir()
	want := mustFit(t, whole)
	for _, after := range []int{1, 3, 5, 7, 12, 20} {
		cfg := base
		cfg.Out = t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		_, err := fit(t, ctx, cfg, false, &stopper{after, cancel})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d steps: %v", after, err)
		}
		if _, err := os.Stat(filepath.Join(cfg.Out, ModelFile)); err == nil {
			t.Fatal("an interrupted run wrote a model")
		}
		got, err := fit(t, context.Background(), cfg, true)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, whole.Out, ModelFile), read(t, cfg.Out, ModelFile)) {
			t.Errorf("resumed after %d steps: other bits than the unbroken run", after)
		}
		if got.ValLoss != want.ValLoss || got.TrainLoss != want.TrainLoss || got.BestEpoch != want.BestEpoch {
			t.Errorf("resumed after %d steps: losses %g %g at %d, want %g %g at %d", after, got.ValLoss, got.TrainLoss, got.BestEpoch, want.ValLoss, want.TrainLoss, want.BestEpoch)
		}
	}
}

func TestResumeRefusesAnotherRun(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Out, cfg.Thaw = t.TempDir(), []string{"last:1"}
	mustFit(t, cfg)
	for _, c := range []struct {
		want string
		edit func(*config.Config)
	}{
		{"training data", func(c *config.Config) { c.Data = tinyData(t, 4, 9) }},
		{"thaw was", func(c *config.Config) { c.Thaw = []string{"all"} }},
		{"lr was", func(c *config.Config) { c.LR = 0.5 }},
	} {
		again := cfg
		c.edit(&again)
		if _, err := fit(t, context.Background(), again, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want an error with %q", err, c.want)
		}
	}
}

func TestDiverged(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Out, cfg.Thaw, cfg.Optimizer, cfg.LR, cfg.LRSchedule, cfg.BatchNorm = t.TempDir(), []string{"all"}, "sgd", 1e20, "constant", "frozen"
	_, err := fit(t, context.Background(), cfg, false)
	var d *DivergedError
	if !errors.As(err, &d) || d.Where == "" {
		t.Fatalf("%v, want a DivergedError that says where", err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Out, ModelFile)); err == nil {
		t.Error("a diverged run wrote a model")
	}
}
