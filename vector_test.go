package permafrost_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// TestVectorsInMemory fits to the same vectors in memory and in a table, and asks the models about
// them in both forms: the same weights, the same scores.
func TestVectorsInMemory(t *testing.T) {
	t.Setenv("PERMAFROST_CACHE", "off")
	cfg := permafrost.DefaultConfig()
	dir := t.TempDir()
	cfg.Model, cfg.Epochs, cfg.Thaw = filepath.Join(dir, "vector.onnx"), 2, []string{"all"}
	if err := fixture.WriteVectorModel(cfg.Model, 3, 1); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var examples []permafrost.Example
	table, rows := "a,b,c,d,e,f,label\n", ""
	for i := range 40 {
		v := make([]float32, fixture.VectorWidth)
		var cells []string
		for k := range v {
			v[k] = float32(r.NormFloat64())
			cells = append(cells, fmt.Sprint(v[k]))
		}
		label := []string{"even", "odd"}[i%2]
		examples = append(examples, permafrost.Example{Vector: v, Label: label})
		rows += strings.Join(cells, ",") + "\n"
		table += strings.Join(append(cells, label), ",") + "\n"
	}
	file := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(file, []byte(rows), 0o644); err != nil {
		t.Fatal(err)
	}
	var scores [][]float32
	for _, d := range []permafrost.Data{permafrost.ExampleList(examples...), permafrost.FS(fstest.MapFS{"t.csv": {Data: []byte(table)}}, "t.csv")} {
		cfg.Out = filepath.Join(t.TempDir(), "run")
		if _, err := permafrost.Fit(context.Background(), cfg, permafrost.WithData(d, permafrost.Data{})); err != nil {
			t.Fatal(err)
		}
		m, err := permafrost.Open(filepath.Join(cfg.Out, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if m.Kind() != "vector" {
			t.Errorf("the model takes %ss", m.Kind())
		}
		for _, inputs := range []permafrost.Data{permafrost.ExampleList(examples...), permafrost.Files(file)} {
			found, skipped, err := m.Predict(context.Background(), inputs)
			if err != nil || len(found) != len(examples) || len(skipped) > 0 {
				t.Fatalf("%d predictions, skipped %v: %v", len(found), skipped, err)
			}
			var all []float32
			for _, p := range found {
				all = append(all, p.Logits...)
			}
			scores = append(scores, all)
		}
		if e, err := m.Eval(context.Background(), d); err != nil || e.Examples != len(examples) {
			t.Errorf("eval: %v (%v)", e, err)
		}
		for want, inputs := range map[string]permafrost.Data{
			"takes vectors: give them as Files or Examples":       permafrost.Texts("1 2 3 4 5 6"),
			"the examples are texts, and the model takes vectors": permafrost.ExampleList(permafrost.Example{Text: "six"}),
			"2 numbers, and the model takes 6":                    permafrost.ExampleList(permafrost.Example{Vector: []float32{1, 2}}),
		} {
			if _, _, err := m.Predict(context.Background(), inputs); !errors.Is(err, permafrost.ErrBadInput) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	for i, s := range scores[1:] {
		if !slices.Equal(s, scores[0]) {
			t.Errorf("form %d of the vectors has other scores", i+1)
		}
	}
}

// TestTextTable: a model of texts answers for the rows of a table.
func TestTextTable(t *testing.T) {
	m := tunedModel(t, func(dir string, cfg *permafrost.Config) error {
		cfg.Data = dir
		return errors.Join(fixture.WriteTextModel(cfg.Model, false, 1), fixture.WriteTexts(dir, 8, 2))
	})
	file := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(file, []byte("n,text\n1,the red cat\n2,a blue dog\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want, _, err := m.Predict(context.Background(), permafrost.Texts("the red cat", "a blue dog"))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := m.Predict(context.Background(), permafrost.Files(file))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
}
