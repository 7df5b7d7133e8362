package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// shared is the folder of real models and conformance cases; tests that need it skip without it.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	dir := filepath.Join(append([]string{"..", "..", "..", "shared"}, elem...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no shared models here")
	}
	return dir
}

func sharedModels(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared(t, "models"), "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models: %v", err)
	}
	return files
}

func TestOpenSharedModels(t *testing.T) {
	for _, path := range sharedModels(t) {
		m, err := Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		n := 0
		for _, p := range m.Params {
			n += p.Tensor.Len()
			if p.Value.Kind != ir.Param {
				t.Errorf("%s: %s is no Param", path, p.Name)
			}
		}
		t.Logf("%s: %d nodes, %d params, %d weights, in %v out %v", filepath.Base(path), len(m.Graph.Nodes), len(m.Params), n, m.Inputs, m.Outputs)
	}
}

func TestOpenCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "onnx-cases"), "*", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	light, _ := filepath.Glob(filepath.Join(shared(t, "onnx-cases"), "light", "*.onnx"))
	bad := 0
	for _, path := range append(files, light...) {
		_, err := Open(path)
		if err == nil {
			continue
		}
		bad++
		t.Log(strings.TrimPrefix(err.Error(), "onnx: ../../../shared/onnx-cases/"))
	}
	t.Logf("%d of %d", bad, len(files))
}
