package permafrost_test

import (
	"context"
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
