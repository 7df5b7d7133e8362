package permafrost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// dataForms are forms of the same folder of class folders: on the disk, in another file system, in
// memory.
func dataForms(t *testing.T, folder string) map[string]permafrost.Data {
	t.Helper()
	memory := fstest.MapFS{}
	var examples []permafrost.Example
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(folder, name))
		memory[path.Join("deep", "er", name)] = &fstest.MapFile{Data: b}
		examples = append(examples, permafrost.Example{Name: name, Bytes: b, Label: path.Base(path.Dir(name))})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]permafrost.Data{
		"folder":   permafrost.Folder(folder),
		"fs":       permafrost.FS(memory, "deep/er"),
		"examples": permafrost.ExampleList(examples...),
	}
}

// TestDataForms fits to the same files on the disk, in another file system and in memory: the same
// bits come out, and what was computed from one form is found again for the others.
func TestDataForms(t *testing.T) {
	for _, kind := range kinds {
		if kind.name == "texts" || kind.name == "vectors" { // a table, see TestTextsInMemory and TestVectorsInMemory
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			cfg := permafrost.DefaultConfig()
			dir := t.TempDir()
			cfg.Model, cfg.Data, cfg.Epochs = filepath.Join(dir, "model.onnx"), filepath.Join(dir, "data"), 2
			if err := kind.edit(dir, &cfg); err != nil {
				t.Fatal(err)
			}
			folder := cfg.Data
			if _, err := os.Stat(filepath.Join(folder, "train")); err == nil {
				folder = filepath.Join(folder, "train")
			}
			t.Setenv("PERMAFROST_CACHE", t.TempDir())
			cfg.Data, cfg.Cache = "", "disk"
			var want []byte
			forms := dataForms(t, folder)
			for _, form := range []string{"folder", "fs", "examples"} {
				cfg.Out = filepath.Join(t.TempDir(), "run")
				var cached *permafrost.Cached
				_, err := permafrost.Fit(context.Background(), cfg, permafrost.WithData(forms[form], permafrost.Data{}), permafrost.OnEvent(func(e permafrost.Event) {
					if c, ok := e.(*permafrost.Cached); ok {
						cached = c
					}
				}))
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				got, err := os.ReadFile(filepath.Join(cfg.Out, "model.onnx"))
				if err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				} else if !bytes.Equal(got, want) {
					t.Errorf("%s: another model than from the folder", form)

				} else if cached != nil && cached.Where == "disk" && (cached.Hits == 0 || cached.Misses > 0) {
					t.Errorf("%s: %d values found and %d computed again", form, cached.Hits, cached.Misses)
				}
			}
		})
	}
}

// TestTextsInMemory fits a model of texts to examples in memory, and to the same table in a file
// system.
func TestTextsInMemory(t *testing.T) {
	t.Setenv("PERMAFROST_CACHE", "off")
	cfg := permafrost.DefaultConfig()
	dir := t.TempDir()
	cfg.Model, cfg.Epochs = filepath.Join(dir, "text.onnx"), 2
	if err := fixture.WriteTextModel(cfg.Model, false, 1); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var examples []permafrost.Example
	table := "text,label\n"
	for i := range 40 {
		e := kinds[1].example(r)
		e.Label = []string{"even", "odd"}[i%2]
		examples = append(examples, e)
		table += e.Text + "," + e.Label + "\n"
	}
	var models [][]byte
	for _, d := range []permafrost.Data{permafrost.ExampleList(examples...), permafrost.FS(fstest.MapFS{"t.csv": {Data: []byte(table)}}, "t.csv")} {
		cfg.Out = filepath.Join(t.TempDir(), "run")
		if _, err := permafrost.Fit(context.Background(), cfg, permafrost.WithData(d, permafrost.Data{})); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(cfg.Out, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, b)
	}
	if !bytes.Equal(models[0], models[1]) {
		t.Error("texts in memory and in a table train another model")
	}
}

// TestPicturesInMemory fits to pictures in memory with a validation set of its own, and measures
// the tuned model on them.
func TestPicturesInMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	set := func(n int) permafrost.Data {
		var out []permafrost.Example
		for i := range n {
			out = append(out, permafrost.Example{Image: randomPicture(r), Label: fmt.Sprint("class ", i%3)})
		}
		return permafrost.ExampleList(out...)
	}
	train, val := set(30), set(12)
	m := tunedModel(t, func(dir string, cfg *permafrost.Config) error {
		cfg.Data = ""
		return fixture.WriteModel(cfg.Model, 5, 1)
	}, permafrost.WithData(train, val))
	e, err := m.Eval(context.Background(), val)
	if err != nil || e.Examples != 12 || len(e.Classes) != 3 {
		t.Errorf("%+v (%v)", e, err)
	}
}

// TestTensorsToAnyModel: tensors feed a model whose input would be taken for a sound.
func TestTensorsToAnyModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var examples []permafrost.Example
	for i := range 30 {
		x := make([]float32, 256)
		for k := range x {
			x[k] = float32(r.NormFloat64())
		}
		examples = append(examples, permafrost.Example{Tensors: map[string]permafrost.Tensor{"samples": permafrost.NewTensor(x)}, Label: fmt.Sprint(i % 2)})
	}
	m := tunedModel(t, func(dir string, cfg *permafrost.Config) error {
		cfg.Data = ""
		return errors.Join(fixture.WriteSoundModel(cfg.Model, 3, 1), os.Remove(filepath.Join(dir, "model.preprocessor.json")))
	}, permafrost.WithData(permafrost.ExampleList(examples...), permafrost.Data{}))
	if m.Kind() != "tensor" {
		t.Errorf("the tuned model takes %s", m.Kind())
	}
	if _, err := m.PredictOne(context.Background(), examples[0]); err != nil {
		t.Error(err)
	}
}

func TestDataErrors(t *testing.T) {
	t.Setenv("PERMAFROST_CACHE", "off")
	cfg := permafrost.DefaultConfig()
	cfg.Model = filepath.Join(t.TempDir(), "model.onnx")
	if err := fixture.WriteModel(cfg.Model, 5, 1); err != nil {
		t.Fatal(err)
	}
	picture := randomPicture(rand.New(rand.NewPCG(1, 1)))
	broken := func(yield func(permafrost.Example, error) bool) {
		if yield(permafrost.Example{Image: picture, Label: "a"}, nil) {
			yield(permafrost.Example{}, errors.New("the line went dead"))
		}
	}
	for want, d := range map[string]permafrost.Data{
		"example 2: the line went dead": permafrost.Examples(broken),
		"no example given":              permafrost.ExampleList(),
		"the first one is a picture":    permafrost.ExampleList(permafrost.Example{Image: picture, Label: "a"}, permafrost.Example{Text: "b", Label: "b"}),
		"the examples are texts":        permafrost.ExampleList(permafrost.Example{Text: "a", Label: "a"}, permafrost.Example{Text: "b", Label: "b"}),
		"one label only (a)":            permafrost.ExampleList(permafrost.Example{Image: picture, Label: "a"}, permafrost.Example{Image: picture, Label: "a"}),
		"have no answers":               permafrost.Files("a.png"),
		"no such file or folder":        permafrost.FS(fstest.MapFS{}, "nowhere"),
		"no column label":               permafrost.ExampleList(permafrost.Example{Image: picture}, permafrost.Example{Image: picture}),
		"tensor \"a\" is none":          permafrost.ExampleList(permafrost.Example{Tensors: map[string]permafrost.Tensor{"a": {}}, Label: "a"}),
	} {
		_, err := permafrost.Fit(context.Background(), cfg, permafrost.WithData(d, permafrost.Data{}))
		if !errors.Is(err, permafrost.ErrBadInput) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want bad input with %q", err, want)
		}
	}
}
