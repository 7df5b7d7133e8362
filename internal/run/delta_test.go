package run

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// A delta of a tuned model of texts or sounds gives it back bit for bit, what it carries of its
// tokenizer or preparation included, and is smaller than the file.
func TestDeltaOfSequences(t *testing.T) {
	for name, make := range map[string]func(testing.TB) config.Config{
		"texts":  func(t testing.TB) config.Config { return textConfig(t, true) },
		"sounds": waveConfig,
	} {
		for _, thaw := range []string{"head", "last:1"} {
			cfg := make(t)
			cfg.Epochs, cfg.Thaw, cfg.Out = 1, []string{thaw}, t.TempDir()
			mustFit(t, cfg)
			file, dir := filepath.Join(cfg.Out, ModelFile), t.TempDir()
			delta, again := filepath.Join(dir, "d.safetensors"), filepath.Join(dir, "again.onnx")
			if _, err := tuned.Extract(cfg.Model, file, delta); err != nil {
				t.Fatal(err)
			}
			if err := tuned.Apply(cfg.Model, delta, again); err != nil {
				t.Fatalf("%s, %s: %v", name, thaw, err)
			}
			if !bytes.Equal(read(t, file), read(t, again)) {
				t.Errorf("%s, %s: the delta gives another file", name, thaw)
			}
			d, err := os.Stat(delta)
			if err != nil {
				t.Fatal(err)
			}
			if d.Size() >= int64(len(read(t, file))) {
				t.Errorf("%s, %s: a delta of %d bytes for a file of %d", name, thaw, d.Size(), len(read(t, file)))
			}
		}
	}
}
