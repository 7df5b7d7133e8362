package train

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/split"
)

// TestInspectLengths: what is predicted for examples of several lengths is for those of the data. A fit keeps what was said, and more
// steps are more operations.
func TestInspectLengths(t *testing.T) {
	for name, cfg := range map[string]Config{"texts": textConfig(t, false), "sounds": waveConfig(t)} {
		t.Run(name, func(t *testing.T) {
			cfg.Thaw, cfg.Cache, cfg.Epochs, cfg.Out = []string{"head"}, "ram", 1, t.TempDir()
			if name == "texts" {
				cfg.Thaw = []string{"last:1"}
			}
			in, err := Inspect(context.Background(), InspectOptions{Config: cfg, Measure: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(in.Notes) == 0 || !strings.Contains(in.Notes[len(in.Notes)-1], "on average") {
				t.Errorf("notes %q do not say which lengths", in.Notes)
			}
			r := mustFit(t, cfg)
			base, err := split.Open(cfg.Model, cfg.feedOptions())
			if err != nil {
				t.Fatal(err)
			}
			_, val, _, err := openForCount(context.Background(), cfg, Sets{}, base)
			if err != nil {
				t.Fatal(err)
			}
			said := float64(in.Predicted.CachePerExample) * float64(in.Predicted.Examples+val.Len())
			if got := float64(r.CacheBytes); got == 0 || math.Abs(said/got-1) > 0.1 {
				t.Errorf("%g bytes are kept, %g were predicted", got, said)
			}
			cfg.Data = ""
			one, err := Inspect(context.Background(), InspectOptions{Config: cfg, Classes: 3, Examples: 100})
			if err != nil {
				t.Fatal(err)
			}
			if longer := name == "sounds"; (in.FLOPs > one.FLOPs) != longer { // no data: one window, or a text as long as the model takes
				t.Errorf("%d operations with data, %d without", in.FLOPs, one.FLOPs)
			}
		})
	}
}
