package permafrost_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// steps lets a trainer go on to its end, and calls between, where it is given, after each step.
func steps(t *testing.T, tr *permafrost.Trainer, between func(*permafrost.Step)) {
	t.Helper()
	for s, err := range tr.Steps(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if between != nil {
			between(s)
		}
	}
}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTrainer: the loop of a caller gives the bits of Fit, also where it looks at the weights in
// between and where it is closed and resumed.
func TestTrainer(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	ctx := t.Context()
	for _, c := range []struct {
		name   string
		change func(*permafrost.Config)
	}{
		{"kept", func(c *permafrost.Config) { c.Thaw = []string{"head", "last:1"} }},
		{"nothing kept, averaged", func(c *permafrost.Config) { c.Thaw, c.Cache, c.Average = []string{"all"}, "off", "ema:0.9" }},
		{"scheduled", func(c *permafrost.Config) { c.Schedule = "gradual" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("PERMAFROST_CACHE", "off")
			root := t.TempDir()
			at := func(name string) permafrost.Config {
				cfg := permafrost.DefaultConfig()
				cfg.Model, cfg.Data, cfg.Out, cfg.Epochs, cfg.Batch = model, photos, filepath.Join(root, name), 4, 5
				c.change(&cfg)
				return cfg
			}
			want, err := permafrost.Fit(ctx, at("fit"))
			if err != nil {
				t.Fatal(err)
			}
			bits := read(t, root, "fit", permafrost.ModelFile)

			tr, err := permafrost.NewTrainer(ctx, at("held"))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			steps(t, tr, func(s *permafrost.Step) {
				if n++; s.Step != n {
					t.Errorf("step %d comes as %d", n, s.Step)
				}
				if n%3 == 0 {
					if m, err := tr.Eval(ctx); err != nil || m.Examples == 0 {
						t.Fatalf("%v, %v", m, err)
					}
				}
			})
			got, err := tr.Finish(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got.ValLoss != want.ValLoss || n == 0 {
				t.Errorf("%d steps: loss %v, want %v", n, got.ValLoss, want.ValLoss)
			}
			if err := tr.Close(); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(read(t, root, "held", permafrost.ModelFile), bits) {
				t.Error("the held run ends in other bits")
			}

			broken, err := permafrost.NewTrainer(ctx, at("broken"))
			if err != nil {
				t.Fatal(err)
			}
			for range n / 2 {
				if _, err := broken.Step(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := broken.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := broken.Step(ctx); err == nil {
				t.Error("a closed trainer makes steps")
			}
			again, err := permafrost.ResumeTrainer(ctx, at("broken"))
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			steps(t, again, nil)
			if _, err := again.Finish(ctx); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, root, "broken", permafrost.ModelFile), bits) {
				t.Error("the resumed run ends in other bits")
			}
		})
	}
}

// TestReplan: a plan that the caller changes between steps freezes and thaws as it says, and
// survives a checkpoint.
func TestReplan(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	ctx := t.Context()
	t.Setenv("PERMAFROST_CACHE", "off")
	run := func(out string, interrupt bool) *permafrost.Result {
		t.Helper()
		cfg := permafrost.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Out, cfg.Epochs, cfg.Batch, cfg.Thaw = model, photos, filepath.Join(dir, out), 3, 4, []string{"all"}
		changes := 0
		count := permafrost.OnEvent(func(e permafrost.Event) {
			if _, ok := e.(*permafrost.PlanChange); ok {
				changes++
			}
		})
		tr, err := permafrost.NewTrainer(ctx, cfg, count)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { tr.Close() }()
		if err := tr.Replan("nowhere"); !errors.Is(err, permafrost.ErrBadInput) {
			t.Errorf("a selector of nothing: %v", err)
		}
		if err := tr.Replan("head"); err != nil {
			t.Fatal(err)
		}
		for {
			s, err := tr.Step(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Step == 3 {
				if err := tr.Replan("head", "last:1"); err != nil {
					t.Fatal(err)
				}
			}
			if s.Step == 5 && interrupt {
				if err := tr.Close(); err != nil {
					t.Fatal(err)
				}
				again, err := permafrost.ResumeTrainer(ctx, cfg)
				if err != nil {
					t.Fatal(err)
				}
				tr = again
			}
		}
		if !interrupt && changes != 2 {
			t.Errorf("%d changes of the plan, want 2", changes)
		}
		r, err := tr.Finish(ctx)
		if err != nil {
			t.Fatal(err)
		}
		v, err := permafrost.Verify(model, filepath.Join(cfg.Out, permafrost.ModelFile), "")
		if err != nil || !v.Identical || v.Frozen == 0 {
			t.Errorf("%v, %v", v, err)
		}
		return r
	}
	whole, broken := run("whole", false), run("broken", true)
	if whole.ValLoss != broken.ValLoss || !bytes.Equal(read(t, dir, "whole", permafrost.ModelFile), read(t, dir, "broken", permafrost.ModelFile)) {
		t.Errorf("resumed: loss %v, unbroken: %v", broken.ValLoss, whole.ValLoss)
	}
}

// TestTrainerEndsEarly: Finish writes what there is, Save a model on the way, and a context that
// ends interrupts.
func TestTrainerEndsEarly(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out, cfg.Epochs, cfg.Batch = model, photos, filepath.Join(dir, "run"), 50, 4
	tr, err := permafrost.NewTrainer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for range 5 {
		if _, err := tr.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	saved := filepath.Join(dir, "saved.onnx")
	if err := tr.Save(saved); err != nil {
		t.Fatal(err)
	}
	if v, err := permafrost.Verify(model, saved, ""); err != nil || !v.Identical {
		t.Errorf("%v, %v", v, err)
	}
	r, err := tr.Finish(t.Context())
	if err != nil || r.Epochs != 1 || r.Out != cfg.Out {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := permafrost.Open(filepath.Join(cfg.Out, permafrost.ModelFile)); err != nil {
		t.Error(err)
	}
	cfg.Out = ""
	nothing := []permafrost.Option{permafrost.OnEvent(nil), permafrost.WithLogger(nil), permafrost.WithProgress(nil)}
	if tr, err = permafrost.NewTrainer(t.Context(), cfg, nothing...); err != nil {
		t.Fatal(err)
	}
	if err := tr.Replan("first:1"); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("a plan of what may never train: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Step(ctx); !errors.Is(err, permafrost.ErrInterrupted) {
		t.Errorf("a context that has ended: %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}
