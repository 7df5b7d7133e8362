package feed

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindPreprocess(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "m.onnx")
	if got := FindPreprocess(model); got != "" {
		t.Errorf("found %s in an empty folder", got)
	}
	for _, name := range []string{"preprocessor_config.json", "m.preprocessor.json"} { // the later goes before the earlier
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := FindPreprocess(model); got != path {
			t.Errorf("found %q, want %s", got, path)
		}
	}
}
