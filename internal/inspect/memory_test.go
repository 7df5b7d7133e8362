package inspect_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/demo"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// TestThawingLessNeverNeedsMoreMemory: of plans that thaw more and more of a model, none needs less
// memory than the one before, neither as predicted nor as measured in a fit, whether frozen values
// are kept or computed anew in every epoch; and what is measured is what was predicted. Of texts,
// which run by length, a batch may be smaller than predicted.
func TestThawingLessNeverNeedsMoreMemory(t *testing.T) {
	dir := t.TempDir()
	path := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(demo.Material(context.Background(), path("letters"), 1))
	must(fixture.WriteModel(path("pictures.onnx"), 3, 1))
	must(fixture.WriteResidualModel(path("residual.onnx")))
	must(fixture.WritePictures(path("pictures", "train"), 30, 3, 1))
	must(fixture.WritePictures(path("pictures", "val"), 30, 3, 2))
	must(fixture.WriteTextModel(path("texts.onnx"), false, 3))
	must(os.MkdirAll(path("texts"), 0o755))
	must(fixture.WriteTexts(path("texts"), 12, 3))
	type subject struct {
		model, data string
		plans       []string
		exact       bool // examples of one length
	}
	deeper := []string{"head", "last:1", "last:2", "last:3", "all"}
	subjects := map[string]subject{
		"letters":  {path("letters", "letters.onnx"), path("letters", "greek"), deeper, true},
		"pictures": {path("pictures.onnx"), path("pictures"), []string{"head", "last:1", "all"}, true},
		"residual": {path("residual.onnx"), path("pictures"), []string{"head", "last:1", "all"}, true},
		"texts":    {path("texts.onnx"), path("texts"), []string{"head", "last:1,head", "all"}, false},
	}
	subjects["resnet20"] = subject{"", path("pictures"), deeper, true}
	for name, s := range subjects {
		for _, cache := range []string{"ram", "off"} {
			t.Run(name+" "+cache, func(t *testing.T) {
				if s.model == "" {
					s.model = shared.Path(t, "models", name+"-cifar10.onnx")
				}
				var before struct {
					thaw                string
					predicted, measured int64
				}
				for _, thaw := range s.plans {
					cfg := config.DefaultConfig()
					cfg.Model, cfg.Data, cfg.Thaw, cfg.Epochs, cfg.Cache, cfg.Batch = s.model, s.data, []string{thaw}, 1, cache, 8
					in, err := inspect.Inspect(context.Background(), inspect.InspectOptions{Config: cfg, Measure: true})
					must(err)
					session, err := run.Prepare(context.Background(), cfg)
					must(err)
					_, err = session.Fit(context.Background(), nil, false)
					must(err)
					predicted, measured := in.Predicted.TrainBytes, session.TrainBytes()
					if predicted < before.predicted {
						t.Errorf("%s is predicted to need %d bytes, %s %d", before.thaw, before.predicted, thaw, predicted)
					}
					if measured < before.measured {
						t.Errorf("%s needed %d bytes, %s %d", before.thaw, before.measured, thaw, measured)
					}
					if r := float64(measured) / float64(predicted); r > 1.05 || s.exact && r < 0.95 {
						t.Errorf("%s: %d bytes were predicted, %d needed", thaw, predicted, measured)
					}
					before.thaw, before.predicted, before.measured = fmt.Sprint(thaw), predicted, measured
				}
			})
		}
	}
}
