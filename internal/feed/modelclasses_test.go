package feed

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/onnx"
)

func TestModelClasses(t *testing.T) {
	for text, c := range map[string]struct {
		want []string
		err  string
	}{
		`{"id2label": {"0": "b", "2": "c", "1": "a"}}`:   {[]string{"b", "a", "c"}, ""},
		`{"label2id": {"x": 1, "y": 0}}`:                 {[]string{"y", "x"}, ""},
		`{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}`: {nil, ""},
		`{"hidden_size": 8}`:                             {nil, ""},
		`{"id2label": {"0": "a", "2": "c"}}`:             {nil, "none for 1"},
		`{"label2id": {"x": 0, "y": 0}}`:                 {nil, "the number 0"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		own, err := ModelClasses(&onnx.Model{Path: filepath.Join(dir, "m.onnx")})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", text, err, c.err)
			}
		} else if err != nil || !slices.Equal(own.Names, c.want) {
			t.Errorf("%s: %v (%v), want %v", text, own, err, c.want)
		}
	}
	own, err := ModelClasses(&onnx.Model{Metadata: map[string]string{KeyLabels: `["b","a"]`}})
	if err != nil || !slices.Equal(own.Names, []string{"b", "a"}) {
		t.Errorf("%v (%v)", own, err)
	}
}
