package run

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A head on the frozen trunk of a network for other pictures underfits; doing what the diagnosis
// says gains five points and more.
func TestDiagnosisHelps(t *testing.T) {
	c := config.DefaultConfig()
	c.Model, c.Data = shared.Path(t, "models", "resnet20-cifar10.onnx"), shared.Path(t, "data", "sign-digits")
	c.Cache, c.Out = "ram", t.TempDir()
	head := mustFit(t, c)
	if head.Diagnosis.Verdict != report.Underfitting {
		t.Fatalf("%+v", head.Diagnosis)
	}
	thaw := regexp.MustCompile(`option thaw (\S+)$`).FindStringSubmatch(head.Diagnosis.Advice)
	if thaw == nil {
		t.Fatalf("the advice names no plan: %s", head.Diagnosis.Advice)
	}
	c.Thaw, c.Epochs, c.Out = []string{thaw[1]}, 1, t.TempDir()
	deeper := mustFit(t, c)
	t.Logf("%.1f%% with the head alone, %.1f%% with %s and one epoch", 100*head.ValAccuracy, 100*deeper.ValAccuracy, thaw[0])
	if deeper.ValAccuracy < head.ValAccuracy+0.05 {
		t.Error("following the advice gained less than five points")
	}
}

// notes keeps the warnings of a run.
type notes []string

func (n *notes) Emit(_ time.Time, e report.Event) {
	if w, ok := e.(*report.Warning); ok {
		*n = append(*n, w.Message)
	}
}

func (n notes) with(text string) (out []string) {
	for _, m := range n {
		if strings.Contains(m, text) {
			out = append(out, m)
		}
	}
	return out
}

// Warnings while it trains: each where it belongs, and none on a healthy run.
func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*config.Config)
		do   func(*Session)
		want string // "" for no warning
	}{
		{"healthy", func(c *config.Config) {}, nil, ""},
		{"dead", func(c *config.Config) {}, func(s *Session) { // nothing passes a norm of scale and shift 0
			clear(s.Net.Set.ByName("layer2.0.bn1.weight").Value.Data.Bytes)
			clear(s.Net.Set.ByName("layer2.0.bn1.bias").Value.Data.Bytes)
		}, "dead gradients: layer2.0.conv1.weight, layer2.0.bn1.weight"},
		{"still", func(c *config.Config) { c.LRMult = []string{"layer1.*=1e-9"} }, nil, "layer1.0.conv1.weight, layer1.0.bn1.weight, layer1.0.bn1.bias and 3 others moved by less than a millionth in epoch 1"},
		{"small batches", func(c *config.Config) { c.Batch = 4 }, nil, "batch statistics come from 4 examples, in bn1 from 256 values a channel"},
		{"small batches, frozen statistics", func(c *config.Config) { c.Batch, c.BatchNorm = 4, "frozen" }, nil, ""},
	} {
		cfg := tinyConfig(t)
		cfg.Thaw, cfg.Epochs, cfg.LR, cfg.Batch = []string{"all"}, 2, 0.01, 12
		c.edit(&cfg)
		s, err := Prepare(context.Background(), cfg)
		must(t, err)
		if c.do != nil {
			c.do(s)
		}
		var n notes
		_, err = s.Fit(context.Background(), nil, false, &n)
		must(t, err)
		var got []string
		for _, text := range []string{"dead gradients", "moved by less", "batch statistics"} {
			got = append(got, n.with(text)...)
		}
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %q", c.name, got)
		case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
			t.Errorf("%s: %q, want one with %q", c.name, got, c.want)
		}
	}
}

func TestAllZero(t *testing.T) {
	for _, x := range []*tensor.Tensor{vector([]float32{0, 0}), halves(0, 0)} {
		if !allZero(x) {
			t.Errorf("%v is not seen as all zero", x)
		}
	}
	for _, x := range []*tensor.Tensor{vector([]float32{0, 1e-40}), halves(0, 1)} {
		if allZero(x) {
			t.Errorf("%v is seen as all zero", x)
		}
	}
}

// TestDepth: how much of the model trained is its true share, not the lowest block of it.
func TestDepth(t *testing.T) {
	for _, c := range []struct {
		thaw, freeze string
		thawed       int
		trunk, parts bool
	}{
		{"head", "", 0, false, false},
		{"all", "", 3, true, false},
		{"last:1", "", 1, true, false},
		{"kind:norm", "", 3, true, true},
		{"first:1", "", 3, true, true},
		{"head,magnitude:1%", "", 3, true, true},
		{"all", "kind:norm", 3, true, true},
	} {
		cfg := tinyConfig(t)
		cfg.Thaw = strings.Split(c.thaw, ",")
		if c.freeze != "" {
			cfg.Freeze = []string{c.freeze}
		}
		s, err := Prepare(context.Background(), cfg)
		must(t, err)
		d := s.depth()
		if d.Thawed != c.thawed || d.Trunk != c.trunk || d.Parts != c.parts || !strings.HasPrefix(d.Thaw, c.thaw) || (d.Share == 1) != (c.thaw == "all" && c.freeze == "") {
			t.Errorf("%s %s: %+v", c.thaw, c.freeze, d)
		}
	}
}

// TestAugmentable: pictures can be augmented, texts cannot.
func TestAugmentable(t *testing.T) {
	for want, cfg := range map[bool]config.Config{true: tinyConfig(t), false: lmConfig(t)} {
		s, err := Prepare(context.Background(), cfg)
		must(t, err)
		if s.augmentable() != want {
			t.Errorf("%s: augmentable %v", s.Base.Feed.Kind(), !want)
		}
	}
}
