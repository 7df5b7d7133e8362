package parity

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	made "github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// TestTunedTextFiles fine-tunes a language model and gives the tuned files to the onnx checker and
// to ONNX Runtime, whose scores of padded batches are those of predict.
func TestTunedTextFiles(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "text.onnx")
	if err := errors.Join(made.WriteTextModel(model, true, 1), made.WriteTexts(dir, 20, 2)); err != nil {
		t.Fatal(err)
	}
	for _, pool := range []string{"mean", "max", "last", "cls"} {
		t.Run(pool, func(t *testing.T) {
			cfg := permafrost.DefaultConfig()
			cfg.Model, cfg.Data, cfg.Out = model, dir, filepath.Join(t.TempDir(), "run")
			cfg.Epochs, cfg.Batch, cfg.Cache, cfg.Pool, cfg.Thaw = 2, 8, "ram", pool, []string{"last:1"}
			cfg.Attach = []string{"/blocks.0/Add_1", "last_hidden_state"}
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
			texts := []string{"the red cat", "a dog walks in the river of the sky and sleeps", "stone", "blue sky is not very green"}
			said, _, err := m.Predict(context.Background(), texts)
			if err != nil {
				t.Fatal(err)
			}
			ds, err := m.Feed.OpenInputs(context.Background(), feed.Inputs(feed.KindText, texts), data.Options{Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			group := []data.Group{{Indices: []int{0, 1, 2, 3}, Length: 24}} // all padded to the same
			for b, err := range ds.Loader(4).Groups(context.Background(), group, data.Plain) {
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range ortTexts(t, path, m.Feed.Form(), b) {
					want := said[i/len(m.Record.Labels)].Logits[i%len(m.Record.Labels)]
					if math.Abs(v-float64(want)) > 1e-4*max(1, math.Abs(v)) {
						t.Errorf("score %d is %g, in ONNX Runtime %g", i, want, v)
					}
				}
			}
		})
	}
}

// ortTexts gives the scores of a batch in ONNX Runtime. It skips where that is not installed.
func ortTexts(t *testing.T, path string, form data.Form, b *data.Batch) []float64 {
	t.Helper()
	inputs := map[string][][]int64{}
	for k, in := range form.Inputs {
		for i := range b.Indices {
			inputs[in.Name] = append(inputs[in.Name], b.Inputs[k].I64()[i*b.Length:(i+1)*b.Length])
		}
	}
	js, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "inputs.json")
	if err := os.WriteFile(file, js, 0o644); err != nil {
		t.Fatal(err)
	}
	return onnxRuntime(t, "ort_texts.mjs", path, file)
}
