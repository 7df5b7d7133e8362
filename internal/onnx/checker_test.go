package onnx

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// check asks the checker of the onnx package for Python, where there is one, whether data is valid.
func check(t *testing.T, data []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	checkFile(t, path)
}

const python = "/usr/bin/python3"

var hasChecker = sync.OnceValue(func() bool { return exec.Command(python, "-c", "import onnx").Run() == nil })

func checkFile(t *testing.T, path string) {
	t.Helper()
	if !hasChecker() {
		t.Log("no python3-onnx here: the file was not checked")
		return
	}
	out, err := exec.Command(python, "-c", "import onnx,sys; onnx.checker.check_model(sys.argv[1], full_check=True)", path).CombinedOutput()
	if err != nil {
		t.Errorf("the onnx checker refuses the file: %s", out)
	}
}
