package run

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// past makes up the epochs of a run over n validation examples of two classes, the first of them a share most of all: accuracy on training and
// validation examples and the validation loss, epoch by epoch.
func past(n int, most float64, epochs ...[3]float64) []report.EpochEvent {
	var out []report.EpochEvent
	for i, e := range epochs {
		m := NewMetrics(2)
		m.Examples, m.Correct, m.LossSum = n, int(e[1]*float64(n)+0.5), e[2]*float64(n)
		first := int64(most * float64(n))
		m.Matrix[0][0], m.Matrix[1][1] = first, int64(n)-first
		out = append(out, report.EpochEvent{Epoch: i, TrainAccuracy: report.Number(e[0]), Val: m})
	}
	return out
}

func TestDiagnose(t *testing.T) {
	ten := strings.Split("a b c d e f g h i j", " ")
	head := depth{fresh: true, blocks: ten}
	last := func(n int) depth { return depth{fresh: true, blocks: ten, thawed: n} }
	flat := func(t, v float64) [][3]float64 {
		return [][3]float64{{t - 0.02, v, 0.5}, {t - 0.01, v, 0.5}, {t, v, 0.5}, {t, v, 0.5}, {t, v, 0.5}, {t, v, 0.5}}
	}
	for _, c := range []struct {
		name    string
		history []report.EpochEvent
		trained depth
		altered bool
		verdict string
		says    string // in why or advice
	}{
		{"head too small", past(600, 0.5, flat(0.87, 0.85)...), head, false, report.Underfitting, "thaw from i on: option thaw last:2"},
		{"own head too small", past(600, 0.5, flat(0.87, 0.85)...), depth{blocks: ten}, false, report.Underfitting, "option thaw head,last:2"},
		{"blocks too few", past(600, 0.5, flat(0.90, 0.86)...), last(3), false, report.Underfitting, "thaw from e on: option thaw last:6"},
		{"half is not enough", past(600, 0.5, flat(0.90, 0.86)...), last(6), false, report.Underfitting, "option thaw all"},
		{"norms are not enough", past(600, 0.5, flat(0.90, 0.86)...), depth{blocks: ten, thawed: 10, parts: true}, false, report.Underfitting, "train those blocks whole: thaw everything"},
		{"all is not enough", past(600, 0.5, flat(0.90, 0.86)...), last(10), false, report.Underfitting, "everything trains already"},
		{"adapter", past(600, 0.5, flat(0.90, 0.86)...), depth{fresh: true, blocks: ten, adapter: "lora:2"}, false, report.Underfitting, "a larger rank"},
		{"not ended", past(600, 0.5, [3]float64{0.5, 0.5, 0.9}, [3]float64{0.6, 0.6, 0.8}, [3]float64{0.7, 0.7, 0.7}, [3]float64{0.8, 0.8, 0.6}), head, false, report.Underfitting, "option epochs 8"},
		{"learnt nothing", past(600, 0.6, flat(0.61, 0.6)...), head, false, report.Underfitting, "the most frequent class (60.0%)"},
		{"by heart", past(600, 0.5, flat(1, 0.85)...), last(10), false, report.Overfitting, "option thaw last:5"},
		{"one block by heart", past(600, 0.5, flat(1, 0.85)...), last(1), false, report.Overfitting, "option thaw head"},
		{"head by heart", past(600, 0.5, flat(1, 0.85)...), head, false, report.Overfitting, "no fewer weights can train"},
		{"loss rises", past(600, 0.5, [3]float64{0.9, 0.85, 0.4}, [3]float64{1, 0.85, 0.5}, [3]float64{1, 0.85, 0.6}, [3]float64{1, 0.85, 0.7}), last(4), false, report.Overfitting, "risen from 0.400 in epoch 1 to 0.700"},
		{"best at the start", past(153, 0.5, [3]float64{0.62, 0.72, 0.6}, [3]float64{0.9, 0.7, 0.9}, [3]float64{1, 0.69, 1.2}, [3]float64{1, 0.68, 1.4}), last(2), false, report.Overfitting, "100.0% on its own training data"},
		{"within the error", past(153, 0.5, flat(1, 0.948)...), head, false, report.Fine, "within the error"},
		{"small gap, many examples", past(10_000, 0.5, flat(1, 0.97)...), last(4), false, report.Fine, "a gap of 3.0 points"},
		{"perfect", past(600, 0.5, flat(1, 1)...), last(4), false, report.Fine, "± 0.1"},
		{"better on new examples", past(600, 0.5, flat(0.98, 1)...), last(4), false, report.Fine, "better on new examples"},
		{"short and good", past(400, 0.5, [3]float64{0.84, 0.98, 0.1}), last(10), false, report.Fine, "better on new examples"},
		{"short and poor", past(400, 0.5, [3]float64{0.64, 0.72, 0.5}), last(4), false, report.Underfitting, "so few epochs"},
		{"few examples", past(20, 0.5, flat(1, 0.5)...), last(4), false, report.Unclear, "too few to tell"},
		{"mixed examples", past(600, 0.5, flat(0.7, 0.9)...), last(4), true, report.Unclear, "augmented or mixed"},
		{"mixed and still by heart", past(600, 0.5, flat(0.97, 0.8)...), last(4), true, report.Overfitting, "option thaw last:2"},
		{"nothing", nil, head, false, report.Unclear, "no epoch"},
	} {
		kept := -1
		for i, e := range c.history {
			if kept < 0 || e.Val.Accuracy() > c.history[kept].Val.Accuracy() {
				kept = i
			}
		}
		d := diagnose(symptoms{history: c.history, kept: kept, trained: c.trained, altered: c.altered})
		if d.Verdict != c.verdict || !strings.Contains(d.Why+" | "+d.Advice, c.says) {
			t.Errorf("%s: %+v, want %s with %q", c.name, *d, c.verdict, c.says)
		}
		if d.Verdict == report.Fine && d.Advice != "" {
			t.Errorf("%s: advice where nothing is wrong: %s", c.name, d.Advice)
		}
	}
}

// A head on the frozen trunk of a network for other pictures underfits; doing what the diagnosis says gains five points and more.
func TestDiagnosisHelps(t *testing.T) {
	shared := filepath.Join("..", "..", "..", "shared")
	c := DefaultConfig()
	c.Model, c.Data = filepath.Join(shared, "models", "resnet20-cifar10.onnx"), filepath.Join(shared, "data", "sign-digits")
	for _, path := range []string{c.Model, c.Data} {
		if _, err := os.Stat(path); err != nil {
			t.Skip("needs the shared models and data: ", err)
		}
	}
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
		edit func(*Config)
		do   func(*Session)
		want string // "" for no warning
	}{
		{"healthy", func(c *Config) {}, nil, ""},
		{"dead", func(c *Config) {}, func(s *Session) { // nothing passes a norm of scale and shift 0
			clear(s.Set.ByName("layer2.0.bn1.weight").Value.Data.Bytes)
			clear(s.Set.ByName("layer2.0.bn1.bias").Value.Data.Bytes)
		}, "dead gradients: layer2.0.conv1.weight, layer2.0.bn1.weight"},
		{"still", func(c *Config) { c.LRMult = []string{"layer1.*=1e-9"} }, nil, "layer1.0.conv1.weight, layer1.0.bn1.weight, layer1.0.bn1.bias and 3 others moved by less than a millionth in epoch 1"},
		{"small batches", func(c *Config) { c.Batch = 4 }, nil, "batch statistics come from 4 examples, in bn1 from 256 values a channel"},
		{"small batches, frozen statistics", func(c *Config) { c.Batch, c.BatchNorm = 4, "frozen" }, nil, ""},
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
