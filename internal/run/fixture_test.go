package run

import (
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// tinyModel writes a small residual network with batch normalisation, 8x8 pictures in and four
// scores out.
func tinyModel(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := fixture.WriteResidualModel(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyData writes class folders of 8x8 pictures.
func tinyData(t testing.TB, classes, each int) string {
	t.Helper()
	dir := t.TempDir()
	if err := fixture.WriteStripes(dir, classes, each); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tinyConfig is a fit of the tiny model to the tiny data.
func tinyConfig(t testing.TB) config.Config {
	c := config.DefaultConfig()
	c.Model, c.Data = tinyModel(t), tinyData(t, 4, 12)
	c.Preprocess, c.Epochs, c.Batch, c.Cache = "unit", 3, 10, "ram"
	return c
}
