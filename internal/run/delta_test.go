package run

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// checkDelta errors unless a run's delta and the one that Extract makes of base and tuned file give
// the tuned file back bit for bit, and are smaller than it.
func checkDelta(t *testing.T, cfg config.Config) {
	t.Helper()
	dir := t.TempDir()
	extracted, again := filepath.Join(dir, "d.safetensors"), filepath.Join(dir, "again.onnx")
	if _, err := tuned.Extract(cfg.Model, filepath.Join(cfg.Out, ModelFile), extracted); err != nil {
		t.Fatal(err)
	}
	whole := read(t, cfg.Out, ModelFile)
	for _, delta := range []string{filepath.Join(cfg.Out, DeltaFile), extracted} {
		if err := tuned.Apply(cfg.Model, delta, again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(whole, read(t, again)) {
			t.Errorf("base and %s do not give the tuned file back", delta)
		}
		if n := len(read(t, delta)); n >= len(whole) {
			t.Errorf("%s has %d bytes for a file of %d", delta, n, len(whole))
		}
	}
	own, err := safetensors.ReadFile(filepath.Join(cfg.Out, DeltaFile))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := safetensors.ReadFile(extracted)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := slices.Sorted(maps.Keys(own.Tensors)), slices.Sorted(maps.Keys(theirs.Tensors)); !slices.Equal(a, b) {
		t.Errorf("the run's delta holds %v, Extract's %v", a, b)
	}
}

// trained is what a run's delta has of weights, without the nodes and the record around them.
func trained(t *testing.T, dir string) []byte {
	t.Helper()
	f, err := safetensors.ReadFile(filepath.Join(dir, DeltaFile))
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(f.Tensors)) {
		if name != "permafrost.skeleton" {
			b = append(append(b, name...), f.Tensors[name].Bytes...)
		}
	}
	return b
}

// TestDelta: the delta that a run writes gives the tuned file back, with what the file carries of
// its tokenizer or preparation, whatever trained.
func TestDelta(t *testing.T) {
	thaw := func(what ...string) func(testing.TB) config.Config {
		return func(t testing.TB) config.Config {
			c := tinyConfig(t)
			c.Thaw = what
			return c
		}
	}
	for name, make := range map[string]func(testing.TB) config.Config{
		"texts":              func(t testing.TB) config.Config { return textConfig(t, true) },
		"texts, last block":  func(t testing.TB) config.Config { c := textConfig(t, true); c.Thaw = []string{"last:1"}; return c },
		"sounds":             waveConfig,
		"sounds, last block": func(t testing.TB) config.Config { c := waveConfig(t); c.Thaw = []string{"last:1"}; return c },
		"a few numbers":      thaw("head", "magnitude:0.5%"),
		"channels":           thaw("channels:layer2.0.conv2.weight[0:2]"),
		"own classifier":     func(t testing.TB) config.Config { c := thaw("head")(t); c.Head = "keep"; return c },
		"schedule":           func(t testing.TB) config.Config { return scheduled(t, "gradual") },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := make(t)
			cfg.Epochs, cfg.Out = 1, t.TempDir()
			mustFit(t, cfg)
			checkDelta(t, cfg)
		})
	}
}
