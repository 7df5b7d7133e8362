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

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// lmConfig is a fit of the last block of stories260k to a text of another kind.
func lmConfig(t *testing.T) config.Config {
	t.Helper()
	c := config.DefaultConfig()
	c.Model = shared.Path(t, "models", "stories260k.onnx")
	c.Data, c.Out = t.TempDir(), t.TempDir()
	words := strings.Fields("add sub mul div load store jump call return push pop")
	for part, from := range map[string]int{"train": 0, "val": 3} {
		var b strings.Builder
		for i := from; b.Len() < 1500; i += 7 {
			b.WriteString(words[i%len(words)] + " r" + string(rune('0'+i%10)) + ", r" + string(rune('0'+i*3%10)) + "\n")
		}
		if err := os.WriteFile(filepath.Join(c.Data, part+".txt"), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.Thaw, c.Epochs, c.Batch, c.MaxLength, c.Cache, c.LR = []string{"last:1"}, 3, 8, 32, "ram", 0.002
	return c
}

// TestLM: a language model learns a text, its tuned file foretells it as well and continues it,
// frozen weights are untouched, and an interrupted run ends in the same bits.
func TestLM(t *testing.T) {
	c := lmConfig(t)
	r := mustFit(t, c)
	if r.ValMetric == nil || r.ValMetric.Name != "perplexity" || r.ValBefore == nil || *r.ValMetric.Value > *r.ValBefore.Value/2 {
		t.Fatalf("%+v, before %+v", r.ValMetric, r.ValBefore)
	}
	model := filepath.Join(c.Out, ModelFile)
	p, err := tuned.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Eval(context.Background(), c.Data)
	if err != nil || math.Abs(*e.Metric.Value / *r.ValMetric.Value - 1) > 1e-4 {
		t.Errorf("the tuned file has %+v (%v), the fit %v", e, err, *r.ValMetric.Value)
	}
	texts, notes, err := p.Continue(context.Background(), []string{"add r1", ""}, tuned.Continuation{Tokens: 12, Sampler: decode.Sampler{}})
	if err != nil || len(notes) > 0 || !strings.HasPrefix(*texts[0].Text, "add r1") || len(*texts[0].Text) < 10 || *texts[1].Text == "" {
		t.Errorf("%+v %q (%v)", texts, notes, err)
	}
	if v, err := tuned.Verify(c.Model, model, ""); err != nil || !v.Identical {
		t.Errorf("%+v (%v)", v, err)
	}
	again := c
	again.Out, again.Cache = t.TempDir(), "off"
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := fit(t, ctx, again, false, &stopper{after: 4, cancel: cancel}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	back, err := fit(t, context.Background(), again, true)
	if err != nil || back.ValBefore == nil || *back.ValBefore.Value != *r.ValBefore.Value {
		t.Fatalf("%+v (%v)", back, err)
	}
	if !bytes.Equal(read(t, c.Out, ModelFile), read(t, again.Out, ModelFile)) {
		t.Error("an interrupted run without a cache ends in other bits")
	}
}

func TestLMErrors(t *testing.T) {
	for _, e := range []struct {
		edit func(*config.Config)
		want string
	}{
		{func(c *config.Config) { c.Task = "classify" }, "holds no answers"},
		{func(c *config.Config) { c.Head = "mlp:8" }, "keeps its own"},
		{func(c *config.Config) { os.WriteFile(filepath.Join(c.Data, "train.txt"), []byte(" \n"), 0o644) }, "has no text"}, //nolint:errcheck // the error is then missed
		{func(c *config.Config) {
			c.Data, c.MaxLength = filepath.Join(c.Data, "train.txt"), 0
			c.Val = ""
			os.WriteFile(c.Data, []byte("one two"), 0o644)
		}, "too few to hold a block"}, //nolint:errcheck // likewise
	} {
		c := lmConfig(t)
		e.edit(&c)
		if _, err := Prepare(context.Background(), c); err == nil || !strings.Contains(err.Error(), e.want) {
			t.Errorf("error %v, want %q", err, e.want)
		}
	}
}
