package onnx

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	_ "github.com/permafrost-ml/permafrost/internal/op" // the operators that nodes are looked up among
)

func sharedModels(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "models"), "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models: %v", err)
	}
	return files
}

func TestOpenSharedModels(t *testing.T) {
	want := map[string]struct{ nodes, params, weights int }{
		"magika-v3.onnx":                  {95, 10, 784214},
		"mobilenetv1-imagenet-trunk.onnx": {320, 125, 2162880},
		"resnet20-cifar10-folded.onnx":    {71, 40, 269034},
		"resnet20-cifar10.onnx":           {100, 97, 271098},
		"resnet56-cifar10.onnx":           {226, 277, 857082},
		"speech-embedding.onnx":           {65, 39, 328128},
		"speech-mel.onnx":                 {20, 3, 271392},
		"stories260k.onnx":                {651, 50, 296896},
	}
	for _, path := range sharedModels(t) {
		m, err := Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		weights := 0
		for _, p := range m.Params {
			weights += p.Tensor.Len()
			if p.Value.Kind != ir.Param {
				t.Errorf("%s: %s is no Param", path, p.Name)
			}
		}
		w, ok := want[filepath.Base(path)]
		if ok && (len(m.Graph.Nodes) != w.nodes || len(m.Params) != w.params || weights != w.weights) {
			t.Errorf("%s: %d nodes, %d params, %d weights; want %+v", path, len(m.Graph.Nodes), len(m.Params), weights, w)
		}
	}
}

// TestOpenCases reads all conformance cases. Those it refuses use types that are not supported.
func TestOpenCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "onnx-cases"), "*", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	light, _ := filepath.Glob(filepath.Join(shared.Path(t, "onnx-cases"), "light", "*.onnx"))
	for _, path := range append(files, light...) {
		if _, err := Open(path); err != nil && !strings.Contains(err.Error(), "not supported") {
			t.Error(err)
		}
	}
}
