package permafrost_test

import (
	"context"
	"errors"
	"log"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// pretrained makes a folder with a tiny model and pictures of three classes.
func pretrained() (dir, model, photos string) {
	os.Setenv("PERMAFROST_CACHE", "off") // examples keep nothing for the next
	dir, err := os.MkdirTemp("", "permafrost")
	if err != nil {
		log.Fatal(err)
	}
	model, photos = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "photos")
	if err := fixture.WriteModel(model, 5, 1); err != nil {
		log.Fatal(err)
	}
	if err := fixture.WritePictures(photos, 12, 3, 1); err != nil {
		log.Fatal(err)
	}
	return dir, model, photos
}

// fitted trains a head and returns the run's folder.
func fitted(dir, model, photos string) string {
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = model, photos, filepath.Join(dir, "run")
	if _, err := permafrost.Fit(context.Background(), cfg); err != nil {
		log.Fatal(err)
	}
	return cfg.Out
}

// languagePretrained makes a folder with a tiny language model that was tuned.
func languagePretrained() (dir, model string) {
	os.Setenv("PERMAFROST_CACHE", "off")
	dir, err := os.MkdirTemp("", "permafrost")
	if err != nil {
		log.Fatal(err)
	}
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = filepath.Join(dir, "text.onnx"), dir, filepath.Join(dir, "run")
	cfg.Thaw, cfg.Epochs = []string{"last:1"}, 1
	if err := errors.Join(fixture.WriteLanguageModel(cfg.Model, 1), fixture.WriteProse(dir, 30, 2)); err != nil {
		log.Fatal(err)
	}
	if _, err := permafrost.Fit(context.Background(), cfg); err != nil {
		log.Fatal(err)
	}
	return dir, filepath.Join(cfg.Out, "model.onnx")
}
