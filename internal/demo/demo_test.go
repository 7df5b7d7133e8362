package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// tiny is the demonstration of four letters.
var tiny = size{latin: 1, learn: 4, val: 4, epochs: 4, alphabets: []Alphabet{{"greek", Greek.Letters[:4]}}}

func runTiny(t *testing.T, out string, threads int) Report {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if err := Run(t.Context(), Options{Stdout: &stdout, Stderr: &stderr, Out: out, Seed: 3, Threads: threads, JSON: true, size: &tiny}); err != nil {
		t.Fatal(err)
	}
	var r Report
	d := json.NewDecoder(&stdout)
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if d.More() {
		t.Fatal("stdout holds more than one object")
	}
	return r
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	one, two := runTiny(t, filepath.Join(dir, "1"), 1), runTiny(t, filepath.Join(dir, "2"), 2)
	if len(one.Runs) != len(thaws) {
		t.Fatalf("%d runs", len(one.Runs))
	}
	for i, r := range one.Runs {
		if !r.Identical || (r.Frozen == 0) != (r.Thaw == "all") || r.TrainBytes <= 0 || r.Seconds <= 0 {
			t.Errorf("run %s: %+v", r.Thaw, r)
		}
		a, err := os.ReadFile(filepath.Join(r.Out, run.ModelFile))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(two.Runs[i].Out, run.ModelFile))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("run %s: one thread and two give different models", r.Thaw)
		}
	}
	if !slices.Equal(one.Tamper.Changed, []string{one.Tamper.Tensor}) {
		t.Errorf("a flipped bit in %s was reported as %v", one.Tamper.Tensor, one.Tamper.Changed)
	}
	for _, name := range []string{modelFile, pictureFile, "greek/train/alpha/003.png", "latin/small-a/000.png", "runs/greek-last-1/delta.safetensors"} {
		if _, err := os.Stat(filepath.Join(one.Out, name)); err != nil {
			t.Error(err)
		}
	}
	if err := Run(t.Context(), Options{Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer), Out: one.Out, size: &tiny}); err == nil {
		t.Error("a folder that holds another run was taken")
	}
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Stdout: new(bytes.Buffer), Out: filepath.Join(t.TempDir(), "out"), size: &tiny}
	o.Stderr = writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil }) // at the first line of progress
	if err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestModel measures the model in the program on letters that training did not see.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, modelFile)
	if err := os.WriteFile(path, Model, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Latin.Write(filepath.Join(dir, "latin"), "test", 99, 8); err != nil {
		t.Fatal(err)
	}
	p, err := tuned.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Eval(t.Context(), filepath.Join(dir, "latin"))
	if err != nil {
		t.Fatal(err)
	}
	if e.Accuracy < 0.97 {
		t.Errorf("accuracy %.3f on fresh Latin letters, want 0.97", e.Accuracy)
	}
	if len(Model) > 500_000 {
		t.Errorf("the model takes %d bytes", len(Model))
	}
}

func TestGlyphs(t *testing.T) {
	for _, a := range []Alphabet{Latin, Greek, Cyrillic} {
		seen := map[string]bool{}
		for _, l := range a.Letters {
			if seen[l.Name] {
				t.Errorf("%s: two classes %s", a.Name, l.Name)
			}
			seen[l.Name] = true
			for i, f := range fonts() {
				o, err := outlineOf(f, l.Rune)
				if err != nil {
					t.Errorf("%s: font %d: %v", a.Name, i, err)
				} else if o.max.x-o.min.x <= 0 || o.max.y-o.min.y <= 0 {
					t.Errorf("%s: font %d: %q is empty", a.Name, i, l.Rune)
				}
			}
		}
	}
	if _, err := outlineOf(fonts()[0], 'ب'); err == nil {
		t.Error("a letter that the fonts have not was drawn")
	}
}

func TestDraw(t *testing.T) {
	draw := func(seed uint64, split string, i int) []uint8 {
		m, err := Greek.draw(Greek.Letters[0], split, seed, i)
		if err != nil {
			t.Fatal(err)
		}
		return m.Pix
	}
	first := draw(1, "train", 0)
	if !reflect.DeepEqual(first, draw(1, "train", 0)) {
		t.Error("one seed gave two pictures")
	}
	for name, other := range map[string][]uint8{"seed": draw(2, "train", 0), "split": draw(1, "val", 0), "number": draw(1, "train", 1)} {
		if reflect.DeepEqual(first, other) {
			t.Errorf("another %s gave the same picture", name)
		}
	}
	if slices.Max(first)-slices.Min(first) < 50 {
		t.Error("the picture is nearly blank")
	}
}
