package dash_test

import (
	"encoding/json"
	"math"
	"net/url"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/dash"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// TestPrediction plans runs of three models on the page, fits them, and logs how far the prediction
// was off. Memory is asserted, as it does not depend on what else the machine does.
func TestPrediction(t *testing.T) {
	if testing.Short() {
		t.Skip("it fits three models")
	}
	t.Setenv("PERMAFROST_CACHE", "off")
	for _, c := range []struct{ model, data, thaw, epochs string }{
		{"resnet20-cifar10.onnx", "sign-digits", "last:2", "4"},
		{"mobilenetv1-imagenet-trunk.onnx", "ants-bees", "last:1", "6"},
		{"stories260k.onnx", "trec", "last:1,head", "4"},
	} {
		t.Run(c.model, func(t *testing.T) {
			model, data := shared.Path(t, "models", c.model), shared.Path(t, "data", c.data)
			w := &world{dir: t.TempDir(), runs: t.TempDir()}
			h := w.serve(t, func(o *dash.Options) { o.Models, o.Data = []string{model}, []string{data} })
			form := url.Values{"model": {model}, "data": {data}, "thaw": {c.thaw}, "epochs": {c.epochs}, "cache": {"ram"}}
			_, text := ask(t, h, "POST", "/plan/cost", form, nil)
			var s struct {
				Error string
				Cost  struct {
					Seconds float64
					Bytes   int64
				}
			}
			must(t, json.Unmarshal([]byte(text), &s))
			if s.Error != "" {
				t.Fatal(s.Error)
			}
			cfg := config.DefaultConfig()
			cfg.Model, cfg.Data, cfg.Thaw, cfg.Cache = model, data, []string{c.thaw}, "ram"
			must(t, json.Unmarshal([]byte(c.epochs), &cfg.Epochs))
			var seconds float64 // until the last epoch has ended
			var kept int64
			began := time.Now()
			session, err := run.Prepare(t.Context(), cfg)
			must(t, err)
			_, err = session.Fit(t.Context(), nil, false, sink(func(e report.Event) {
				switch e := e.(type) {
				case *report.CacheEvent:
					kept = e.Bytes
				case *report.EpochEvent:
					seconds = time.Since(began).Seconds()
				}
			}))
			must(t, err)
			needed := session.TrainBytes() + kept
			off := func(predicted, measured float64) float64 { return 100 * (predicted/measured - 1) }
			memory := off(float64(s.Cost.Bytes), float64(needed))
			t.Logf("time: %.2f s predicted, %.2f s measured (%+.0f%%); memory: %.1f MB predicted, %.1f MB measured (%+.1f%%)",
				s.Cost.Seconds, seconds, off(s.Cost.Seconds, seconds), float64(s.Cost.Bytes)/1e6, float64(needed)/1e6, memory)
			if math.Abs(memory) > 15 {
				t.Errorf("the memory is %.0f%% off", memory)
			}
		})
	}
}

// sink passes events to a function.
type sink func(e report.Event)

func (f sink) Emit(_ time.Time, e report.Event) { f(e) }
