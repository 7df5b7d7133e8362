package parity

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestHalfPrecisionText fine-tunes the last layer of half-precision copies of a language model:
// what they learn is what the original learns, and their weights come back in their own type, the
// frozen ones as they were.
func TestHalfPrecisionText(t *testing.T) {
	original := shared.Path(t, "models", "stories260k.onnx")
	texts, err := os.Open(shared.Path(t, "data", "trec", "train.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer texts.Close()
	if python() == "" {
		t.Skip("no python3 with torch, torchvision, onnx and PIL")
	}
	dir := t.TempDir()
	table := filepath.Join(dir, "train.csv")
	if err := firstRows(texts, table, 121); err != nil {
		t.Fatal(err)
	}
	fit := func(model string) (*permafrost.Result, string) {
		c := permafrost.DefaultConfig()
		c.Model, c.Data, c.Val, c.Thaw = model, table, table, []string{"last:1"}
		c.Tokenizer = shared.Path(t, "models", "stories260k.tokenizer.json")
		c.Epochs, c.Batch, c.Cache, c.Keep = 3, 16, "ram", "last"
		c.Out = filepath.Join(t.TempDir(), "run")
		r, err := permafrost.Fit(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		return r, filepath.Join(c.Out, "model.onnx")
	}
	want, _ := fit(original)
	for _, dt := range []tensor.DType{tensor.Float16, tensor.BFloat16} {
		t.Run(dt.String(), func(t *testing.T) {
			half := filepath.Join(dir, dt.String()+".onnx")
			if out, err := exec.Command(python(), "half.py", original, half, dt.String()).CombinedOutput(); err != nil {
				t.Fatalf("half.py: %v\n%s", err, out)
			}
			got, path := fit(half)
			t.Logf("training loss %.3f, of the original %.3f", got.TrainLoss, want.TrainLoss)
			if d := got.TrainLoss - want.TrainLoss; !(d < 0.1*want.TrainLoss && d > -0.1*want.TrainLoss) {
				t.Errorf("training loss %g, of the original %g", got.TrainLoss, want.TrainLoss)
			}
			v, err := permafrost.Verify(half, path, "")
			if err != nil || !v.Identical || v.Frozen == 0 || len(v.Thawed) == 0 {
				t.Fatalf("verified: %+v, %v", v, err)
			}
			base, tuned := params(t, half), params(t, path)
			for _, name := range v.Thawed {
				b, w := base[name], tuned[name]
				if w == nil || w.DType != dt || !w.Shape.Equal(b.Shape) || bytes.Equal(w.Bytes, b.Bytes) {
					t.Errorf("thawed %q did not come back in %v with other values", name, dt)
				}
			}
		})
	}
}

// firstRows copies the first rows of a table, its header included.
func firstRows(from io.Reader, path string, rows int) error {
	to, err := os.Create(path)
	if err != nil {
		return err
	}
	defer to.Close()
	r, w := csv.NewReader(from), csv.NewWriter(to)
	for range rows {
		row, err := r.Read()
		if err != nil {
			return err
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func params(t *testing.T, path string) map[string]*tensor.Tensor {
	t.Helper()
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*tensor.Tensor{}
	for _, v := range m.Graph.Params() {
		if v.Kind == ir.Param {
			all[v.Name] = v.Data
		}
	}
	return all
}
