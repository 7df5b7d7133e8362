package train

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestRunDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs", "one")
	c := goodConfig()
	c.Thaw = []string{"last:2"}
	must(t, CheckRunDir(path))
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("checking wrote something")
	}
	_, _, err := OpenRunDir(path)
	wantError(t, err, "holds no run")
	d, err := CreateRunDir(path, &c)
	must(t, err)
	if st, err := os.Stat(d.File(CheckpointsDir)); err != nil || !st.IsDir() {
		t.Errorf("no %s: %v", CheckpointsDir, err)
	}
	wantError(t, CheckRunDir(path), "holds another run (run.yaml)")
	_, err = CreateRunDir(path, &c)
	wantError(t, err, "holds another run")
	again, got, err := OpenRunDir(path)
	must(t, err)
	if again.Path != path || !reflect.DeepEqual(*got, c) {
		t.Errorf("%+v", got)
	}
	wantError(t, CheckRunDir(d.File(RunFile)), "is a file")
}

func TestRunDirBesideOtherFiles(t *testing.T) {
	path := t.TempDir()
	must(t, os.WriteFile(filepath.Join(path, "notes.txt"), nil, 0o666))
	must(t, CheckRunDir(path))
	must(t, os.WriteFile(filepath.Join(path, ModelFile), nil, 0o666))
	wantError(t, CheckRunDir(path), "model.onnx")
}

func TestWriteAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	must(t, WriteAtomic(path, text("first")))
	err := WriteAtomic(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of the sec")
		return errors.New("disk on fire")
	})
	wantError(t, err, "disk on fire")
	if b, _ := os.ReadFile(path); string(b) != "first" {
		t.Errorf("%q after a failed write", b)
	}
	must(t, WriteAtomic(path, text("second")))
	if b, _ := os.ReadFile(path); string(b) != "second" {
		t.Errorf("%q", b)
	}
	// A file that a killed program left behind is in nobody's way.
	must(t, os.WriteFile(tempName(path, 0), nil, 0o666))
	must(t, WriteAtomic(path, text("third")))
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%v beside the file and the one left behind", files)
	}
	wantError(t, WriteAtomic(filepath.Join(dir, "no", "x"), text("")), "no")
}
