package run

import (
	"math"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/task"
)

func TestBest(t *testing.T) {
	nan := math.NaN()
	scores := []struct{ metric, loss float64 }{{nan, 1}, {0.5, 1}, {0.5, 2}, {0.5, 0.9}, {0.4, 0.1}, {0.6, nan}, {0.9, 3}, {0.9, 3}}
	best := []bool{false, true, false, true, false, false, true, false}
	stop := []bool{false, false, false, false, false, true, false, false} // patience 2
	var b Best
	for i, s := range scores {
		if got := b.Observe(i, task.Score{Metric: s.metric, Loss: s.loss}); got != best[i] {
			t.Errorf("epoch %d: best is %v, want %v", i, got, best[i])
		}
		if got := b.Stop(2); got != stop[i] {
			t.Errorf("epoch %d: stop is %v, want %v", i, got, stop[i])
		}
		if b.Stop(0) {
			t.Errorf("epoch %d: patience 0 stops", i)
		}
	}
	if b.Epoch != 6 || b.Seen != len(scores) || b.Stale != 1 {
		t.Errorf("%+v", b)
	}
}
