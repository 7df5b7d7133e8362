package main

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestStdinFile(t *testing.T) {
	files, path, done, err := stdinFile(strings.NewReader("sound"), []string{"a.wav", "-", "b.wav"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(files, []string{"a.wav", path, "b.wav"}) {
		t.Errorf("%q", files)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "sound" {
		t.Errorf("%q, %v", b, err)
	}
	done()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stays: %v", err)
	}
	if files, _, done, err := stdinFile(strings.NewReader("x"), []string{"a.wav"}); err != nil || len(files) != 1 {
		t.Errorf("%q, %v", files, err)
	} else {
		done()
	}
	if _, _, _, err := stdinFile(strings.NewReader("x"), []string{"-", "-"}); err == nil {
		t.Error("stdin twice")
	}
}

// A picture on stdin is predicted as the same one in a file, under the name -.
func TestPredictStdin(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--epochs", "1", "--out", "run")
	b, err := os.ReadFile("photos/val/red/00.png")
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := execute([]string{"predict", "--model", "run/model.onnx", "-"}, bytes.NewReader(b), &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	want := succeed(t, "predict", "--model", "run/model.onnx", "photos/val/red/00.png").stdout
	if got := stdout.String(); !strings.HasPrefix(got, "-\t") || got[2:] != strings.TrimPrefix(want, "photos/val/red/00.png\t") {
		t.Errorf("%q, want %q", got, want)
	}
}
