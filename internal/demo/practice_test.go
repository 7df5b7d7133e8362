package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// TestPractice: of each kind there are a model that knows something and data of its kind, and the
// same seed writes the same bytes.
func TestPractice(t *testing.T) {
	for _, c := range []struct {
		kind, model string
		classes     int
		files       []string
	}{
		{"pictures", "letters.onnx", 45, []string{"greek/train/omega/009.png", "cyrillic/val/ya/029.png"}},
		{"texts", "topics.onnx", 10, []string{"messages/train.csv", "messages/val.csv"}},
		{"sounds", "sounds.onnx", 8, []string{"birds/train/owl/005.wav", "birds/val/gull/029.wav"}},
	} {
		dir, again := t.TempDir(), t.TempDir()
		for _, d := range []string{dir, again} {
			if err := Practice(t.Context(), c.kind, d, 3); err != nil {
				t.Fatal(err)
			}
		}
		p, err := tuned.Open(filepath.Join(dir, c.model))
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Record.Labels) != c.classes {
			t.Errorf("%s: %d classes, want %d", c.kind, len(p.Record.Labels), c.classes)
		}
		for _, f := range append(c.files, c.model) {
			a, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(again, f)); err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %s differs (%v)", c.kind, f, err)
			}
		}
		if err := Practice(t.Context(), c.kind, dir, 3); err == nil || !strings.Contains(err.Error(), "not empty") {
			t.Errorf("%s: a folder is written over: %v", c.kind, err)
		}
	}
	if err := Practice(t.Context(), "cats", t.TempDir(), 1); err == nil || !strings.Contains(err.Error(), "pictures, texts or sounds") {
		t.Errorf("cats: %v", err)
	}
}
