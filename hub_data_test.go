package permafrost_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
)

// mediaRow is a row of pictures or sounds as the hub stores them.
type mediaRow struct {
	Media struct {
		Bytes []byte `parquet:"bytes,optional"`
		Path  string `parquet:"path,optional"`
	} `parquet:"media,optional"`
	Label int64 `parquet:"label"`
}

// shardsOf writes the files of class folders as shards of a data set, and as a table of the same files
// in the same order.
func shardsOf(t *testing.T, dir, split, table string, shards int) (files [][]byte) {
	t.Helper()
	folders, err := os.ReadDir(filepath.Join(dir, split))
	if err != nil {
		t.Fatal(err)
	}
	var classes []string
	var rows []mediaRow
	var lines bytes.Buffer
	for label, folder := range folders {
		classes = append(classes, folder.Name())
		entries, err := os.ReadDir(filepath.Join(dir, split, folder.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, split, folder.Name(), e.Name())
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			row := mediaRow{Label: int64(label)}
			row.Media.Bytes, row.Media.Path = b, e.Name()
			rows = append(rows, row)
			fmt.Fprintf(&lines, `{"file":%q,"label":%q}`+"\n", path, folder.Name())
		}
	}
	if err := os.WriteFile(table, lines.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	described, err := json.Marshal(map[string]any{"info": map[string]any{"features": map[string]any{"label": map[string]any{"names": classes, "_type": "ClassLabel"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(rows, (len(rows)+shards-1)/shards) {
		var b bytes.Buffer
		if err := parquet.Write(&b, part, parquet.MaxRowsPerRowGroup(10), parquet.PageBufferSize(2000), parquet.Compression(&parquet.Snappy), parquet.KeyValueMetadata("huggingface", string(described))); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

// TestHubData: a data set of the hub trains to the bits of a table of the same files, is measured on
// its test split, and is found again by the name in run.yaml.
func TestHubData(t *testing.T) {
	for _, kind := range []string{"pictures", "sounds"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			s := hubtest.New(t)
			model, set := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "set")
			writeModel, writeData := fixture.WriteModel, func(seed uint64) error {
				return errors.Join(fixture.WritePictures(filepath.Join(set, "train"), 12, 3, seed), fixture.WritePictures(filepath.Join(set, "val"), 6, 3, seed+1))
			}
			if kind == "sounds" {
				writeModel, writeData = fixture.WriteSoundModel, func(seed uint64) error { return fixture.WriteSounds(set, 8, seed) }
			}
			if err := writeModel(model, 5, 1); err != nil {
				t.Fatal(err)
			}
			if err := writeData(1); err != nil {
				t.Fatal(err)
			}
			for split, named := range map[string]string{"train": "train", "val": "validation"} {
				files := shardsOf(t, set, split, filepath.Join(dir, split+".jsonl"), 2)
				for i, b := range files {
					s.Put("datasets/my/set", fmt.Sprintf("data/%s-%05d-of-%05d.parquet", named, i, len(files)), b)
				}
			}
			cfg := permafrost.DefaultConfig()
			cfg.Model, cfg.Epochs = model, 2
			fit := func(data, val, out string) []byte {
				t.Helper()
				cfg.Data, cfg.Val, cfg.Out = data, val, filepath.Join(dir, out)
				if _, err := permafrost.Fit(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(filepath.Join(cfg.Out, "model.onnx"))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			want := fit(filepath.Join(dir, "train.jsonl"), filepath.Join(dir, "val.jsonl"), "table")
			if got := fit("hf:datasets/my/set", "", "hub"); !bytes.Equal(got, want) {
				t.Error("a fit on the hub's data differs from one on the same files")
			}
			again, err := permafrost.LoadConfig(filepath.Join(dir, "hub", "run.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if pinned := "hf:datasets/my/set@" + s.Commit("datasets/my/set") + ":data"; again.Data != pinned {
				t.Errorf("run.yaml has the data %s, want %s", again.Data, pinned)
			}
			if got := fit(again.Data+"/train", "hf:datasets/my/set:validation", "again"); !bytes.Equal(got, want) {
				t.Error("splits that are named differ from those that are found")
			}
			m, err := permafrost.Open(filepath.Join(dir, "hub", "model.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			onHub, err := m.Eval(t.Context(), permafrost.Folder("hf:datasets/my/set"))
			if err != nil {
				t.Fatal(err)
			}
			onTable, err := m.Eval(t.Context(), permafrost.Folder(filepath.Join(dir, "val.jsonl")))
			if err != nil || onHub.Loss != onTable.Loss || onHub.Examples != onTable.Examples {
				t.Errorf("eval: %v on %d, and on the table %v on %d, %v", onHub.Loss, onHub.Examples, onTable.Loss, onTable.Examples, err)
			}
		})
	}
}

// TestParquet: texts and numbers of Parquet files on disk train to the bits of the same in CSV.
func TestParquet(t *testing.T) {
	type text struct {
		Text  string `parquet:"text"`
		Label int64  `parquet:"label"`
	}
	type vector struct {
		X     []float32 `parquet:"x,list"`
		Label string    `parquet:"label"`
	}
	described := parquet.KeyValueMetadata("huggingface", `{"info":{"features":{"label":{"names":["bad","good"],"_type":"ClassLabel"}}}}`)
	var texts []text
	var vectors []vector
	textLines, vectorLines := "text,label\n", ""
	for i := range 60 {
		words := []string{"it was bad and dull, a \"waste\"", "it was good and fine"}[i%2] + strings.Repeat(" very", i%5)
		texts = append(texts, text{words, int64(i % 2)})
		textLines += fmt.Sprintf("\"%s\",%s\n", strings.ReplaceAll(words, `"`, `""`), []string{"bad", "good"}[i%2])
		v := vector{Label: []string{"odd", "even"}[i%2]}
		for k := range 6 {
			v.X = append(v.X, float32((i*k)%7)/3)
		}
		vectors = append(vectors, v)
		line, err := json.Marshal(map[string]any{"x": v.X, "label": v.Label})
		if err != nil {
			t.Fatal(err)
		}
		vectorLines += string(line) + "\n"
	}
	for name, c := range map[string]struct {
		model func(path string) error
		table string // its name and content
		text  string
		write func(path string) error
	}{
		"texts": {func(path string) error { return fixture.WriteTextModel(path, false, 1) }, "rows.csv", textLines,
			func(path string) error { return parquet.WriteFile(path, texts, described) }},
		"vectors": {func(path string) error { return fixture.WriteVectorModel(path, 4, 1) }, "rows.jsonl", vectorLines,
			func(path string) error { return parquet.WriteFile(path, vectors) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			model, table, file := filepath.Join(dir, "model.onnx"), filepath.Join(dir, c.table), filepath.Join(dir, "rows.parquet")
			if err := errors.Join(c.model(model), os.WriteFile(table, []byte(c.text), 0o666), c.write(file)); err != nil {
				t.Fatal(err)
			}
			cfg := permafrost.DefaultConfig()
			cfg.Model, cfg.Epochs = model, 2
			var models [][]byte
			for _, data := range []string{table, file} {
				cfg.Data, cfg.Out = data, data+".run"
				if _, err := permafrost.Fit(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(filepath.Join(cfg.Out, "model.onnx"))
				if err != nil {
					t.Fatal(err)
				}
				models = append(models, b)
			}
			if !bytes.Equal(models[0], models[1]) {
				t.Error("the same rows in Parquet train to another model")
			}
		})
	}
}
