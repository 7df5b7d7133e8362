package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// shy is a fit that ends far too unsure: few steps at a low rate.
func shy(t *testing.T) config.Config {
	c := tinyConfig(t)
	c.Data, c.Val = tinyData(t, 4, 24), tinyData(t, 4, 8)
	c.Epochs, c.LR, c.Keep = 4, 0.002, "last"
	return c
}

// settled fits with Settle before, as the public calls do, and writes the run where cfg says so.
func settled(t *testing.T, ctx context.Context, cfg config.Config, sinks ...report.Sink) (*Session, *Result, error) {
	t.Helper()
	s, err := Prepare(ctx, cfg)
	must(t, err)
	must(t, s.Settle(ctx, sinks...))
	var dir *RunDir
	if cfg.Out != "" {
		dir, err = CreateRunDir(cfg.Out, &s.Config)
		must(t, err)
	}
	r, err := s.Fit(ctx, dir, false, sinks...)
	return s, r, err
}

func mustSettled(t *testing.T, cfg config.Config) (*Session, *Result) {
	t.Helper()
	s, r, err := settled(t, context.Background(), cfg)
	must(t, err)
	return s, r
}

// TestCalibrates: the temperature sharpens a fit that is too unsure. It lowers the loss, changes no
// answer and no frozen weight. It is in the weights of a new head, where every runtime sees it, and
// beside a head that was kept.
func TestCalibrates(t *testing.T) {
	for _, head := range []string{"linear", "mlp:8", "keep"} {
		cfg := shy(t)
		cfg.Head, cfg.Out = head, filepath.Join(t.TempDir(), "run")
		if head == "keep" { // its features are not standardised, so it learns slowly
			cfg.LR, cfg.Epochs = 0.03, 6
		}
		_, r := mustSettled(t, cfg)
		off := cfg
		off.Calibrate, off.Out = "off", filepath.Join(t.TempDir(), "run")
		_, plain := mustSettled(t, off)
		if r.Temperature == 1 || plain.Temperature != 1 || r.ValLoss >= plain.ValLoss || r.ValAccuracy != plain.ValAccuracy {
			t.Errorf("%s: temperature %.3f, loss %.4f, accuracy %g; off: %.3f, %.4f, %g", head, r.Temperature, r.ValLoss, r.ValAccuracy, plain.Temperature, plain.ValLoss, plain.ValAccuracy)
		}
		p, err := tuned.Open(filepath.Join(cfg.Out, ModelFile))
		must(t, err)
		defer p.Close()
		want := 1.0
		if head == "keep" {
			want = r.Temperature
		}
		if p.Record.Temperature != want {
			t.Errorf("%s: the file's record divides by %g, want %g", head, p.Record.Temperature, want)
		}
		e, err := p.Eval(context.Background(), cfg.Val)
		must(t, err)
		if math.Abs(e.Loss-r.ValLoss) > 1e-6 || math.Abs(*e.ECE-*r.ECE) > 1e-6 || *e.Chance == 0 {
			t.Errorf("%s: the file has loss %g and calibration error %g, the fit %g and %g", head, e.Loss, *e.ECE, r.ValLoss, *r.ECE)
		}
		v, err := tuned.Verify(cfg.Model, filepath.Join(cfg.Out, ModelFile), "")
		if err != nil || !v.Identical {
			t.Errorf("%s: verify says %+v (%v)", head, v, err)
		}
		last := func(path string) []float32 { // the classifier's last weight
			m, err := onnx.Open(path)
			must(t, err)
			return m.Params[len(m.Params)-1].Tensor.F32()
		}
		a, b := last(filepath.Join(cfg.Out, ModelFile)), last(filepath.Join(off.Out, ModelFile))
		if slices.Equal(a, b) != (head == "keep") {
			t.Errorf("%s: the last weights are equal to those without a temperature: %v", head, slices.Equal(a, b))
		}
		again := off // of the tuned model
		again.Model, again.Head, again.Out, again.Epochs = filepath.Join(cfg.Out, ModelFile), "keep", filepath.Join(t.TempDir(), "run"), 1
		s, _ := mustSettled(t, again)
		if said := strings.Contains(strings.Join(s.Notes, "\n"), fmt.Sprintf("have the temperature %.3g", want)); said != (want != 1) {
			t.Errorf("%s: temperature %g, notes of the next fit %q", head, want, s.Notes)
		}
	}
}

// TestCalibrationIsRepeatable: neither the cache nor the number of threads changes the choice, nor
// where a run was interrupted, and run.yaml repeats it.
func TestCalibrationIsRepeatable(t *testing.T) {
	base := shy(t)
	base.LR, base.Epochs = 0, 6
	base.Out = filepath.Join(t.TempDir(), "run")
	s, want := mustSettled(t, base)
	model := read(t, base.Out, ModelFile)
	same := func(name, out string, r *Result) {
		if r.Temperature != want.Temperature || r.ValLoss != want.ValLoss || !bytes.Equal(read(t, out, ModelFile), model) {
			t.Errorf("%s: temperature %g and loss %g, want %g and %g", name, r.Temperature, r.ValLoss, want.Temperature, want.ValLoss)
		}
	}
	for name, edit := range map[string]func(*config.Config){
		"off":     func(c *config.Config) { c.Cache = "off" },
		"disk":    func(c *config.Config) { c.Cache = "disk" },
		"threads": func(c *config.Config) { c.Threads = 1 },
		"replay":  func(c *config.Config) { *c = s.Config },
	} {
		cfg := base
		edit(&cfg)
		cfg.Out = filepath.Join(t.TempDir(), "run")
		_, r := mustSettled(t, cfg)
		same(name, cfg.Out, r)
	}
	for _, after := range []int{1, 13} {
		cfg := base
		cfg.Out = filepath.Join(t.TempDir(), "run")
		ctx, cancel := context.WithCancel(context.Background())
		_, _, err := settled(t, ctx, cfg, &stopper{after, cancel})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d steps: %v", after, err)
		}
		_, recorded, err := OpenRunDir(cfg.Out)
		must(t, err)
		r, err := fit(t, context.Background(), *recorded, true)
		must(t, err)
		same("resumed", cfg.Out, r)
	}
}

// TestWhoIsCalibrated: who is calibrated. The rate that a user gives is heeded.
func TestWhoIsCalibrated(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*config.Config)
		want bool
	}{
		{"head", func(*config.Config) {}, true},
		{"off", func(c *config.Config) { c.Calibrate = "off" }, false},
		{"deeper", func(c *config.Config) { c.Thaw = []string{"last:1"} }, false},
		{"deeper, asked for", func(c *config.Config) { c.Thaw, c.Calibrate = []string{"last:1"}, "on" }, true},
		{"a share, asked for", func(c *config.Config) { c.Thaw, c.Calibrate = []string{"head", "fisher:5%"}, "on" }, true},
		{"an average, asked for", func(c *config.Config) {
			c.Thaw, c.Average, c.Epochs, c.Calibrate = []string{"last:1"}, "swa", 8, "on"
		}, true},
		{"a schedule, asked for", func(c *config.Config) {
			c.Thaw, c.Schedule, c.Calibrate = []string{"all"}, "gradual", "on"
		}, true},
		{"augmented", func(c *config.Config) { c.Augment = "flip" }, false},
		{"augmented, asked for", func(c *config.Config) { c.Augment, c.Calibrate = "flip", "on" }, true},
		{"few", func(c *config.Config) { c.Data, c.Calibrate = tinyData(t, 4, 12), "on" }, false},
	} {
		cfg := shy(t)
		c.edit(&cfg)
		s, r := mustSettled(t, cfg)
		noted := slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "held out in turn") })
		idle := slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "option calibrate on does nothing") })
		if noted != c.want || r.Temperature != 1 && !c.want || idle != (cfg.Calibrate == "on" && !c.want) {
			t.Errorf("%s: calibrated %v, temperature %g, notes %q", c.name, noted, r.Temperature, s.Notes)
		}
		if s.Config.LR != cfg.LR {
			t.Errorf("%s: learning rate %g where %g was given", c.name, s.Config.LR, cfg.LR)
		}
	}
}

// TestEndsAbove: a fit whose loss ends far above that of guessing fails. Its best weights are kept, and
// are not called good.
func TestEndsAbove(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.LR, cfg.Calibrate, cfg.Out = 1000, "off", filepath.Join(t.TempDir(), "run")
	_, _, err := settled(t, context.Background(), cfg)
	var diverged *DivergedError
	if !errors.As(err, &diverged) || !diverged.Ended || diverged.Kept != "" || !diverged.Poor {
		t.Fatalf("%v", err)
	}
	wantError(t, err, "that of guessing 1.39")
	_, err = LoadCheckpoint(filepath.Join(cfg.Out, BestCheckpoint))
	must(t, err)
}

// TestFirstStepIsNoSign: below a head that starts at zero the first step has no gradients but zeros.
// Where it is the whole first epoch, nothing is said of it.
func TestFirstStepIsNoSign(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Thaw, cfg.Batch, cfg.Epochs, cfg.LR = []string{"last:1"}, 48, 3, 0.01
	var n notes
	_, _, err := settled(t, context.Background(), cfg, &n)
	must(t, err)
	if got := slices.Concat(n.with("dead gradients"), n.with("moved by less")); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// TestThin: of sorted folds every class keeps its share.
func TestThin(t *testing.T) {
	c := &calibration{folds: [][]int{{0, 2, 4, 6, 8}, {1, 3, 5, 7}}, held: 9}
	c.thin(9)
	if c.held != 9 {
		t.Errorf("%d left of 9, where 9 are allowed", c.held)
	}
	c.thin(5)
	if want := [][]int{{0, 4, 8}, {1, 5}}; c.held != 5 || !slices.EqualFunc(c.folds, want, slices.Equal[[]int]) {
		t.Errorf("folds %v, want %v", c.folds, want)
	}
}
