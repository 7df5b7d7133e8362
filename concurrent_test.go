package permafrost_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// TestConcurrentCalls: fits with different plans and numbers of threads, and what looks at models,
// run side by side and do not disturb each other.
func TestConcurrentCalls(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	t.Setenv("PERMAFROST_CACHE", t.TempDir())
	plans := []string{"head", "last:1", "all"}
	config := func(i int) permafrost.Config {
		cfg := permafrost.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Epochs, cfg.Thaw, cfg.Threads = model, photos, 2, []string{"head", plans[i%3]}, i%4
		cfg.Cache = []string{"ram", "disk"}[i%2]
		return cfg
	}
	want := make([]float64, len(plans))
	for i := range want {
		r, err := permafrost.Fit(t.Context(), config(i))
		if err != nil {
			t.Fatal(err)
		}
		want[i] = r.ValLoss
	}
	var wg sync.WaitGroup
	failed := make(chan error, 100)
	for i := range 12 {
		wg.Go(func() {
			r, err := permafrost.Fit(t.Context(), config(i))
			if err != nil {
				failed <- err
			} else if r.ValLoss != want[i%3] {
				failed <- fmt.Errorf("plan %s: loss %v, alone %v", plans[i%3], r.ValLoss, want[i%3])
			}
		})
		wg.Go(func() {
			if _, err := permafrost.Inspect(t.Context(), config(i), permafrost.InspectOptions{Predict: i%2 == 0}); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
}
