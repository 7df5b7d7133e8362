package run

import (
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
