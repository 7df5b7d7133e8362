package run

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// TestMistakes: the worst are kept, the worst first and of equal ones the earlier, and all are
// counted.
func TestMistakes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var m mistakes
	var all []Mistake
	for i := range 1000 {
		o := task.Outcome{Loss: float64(rng.IntN(50)), Correct: i%4 == 0}
		if i == 501 {
			o.Loss = math.NaN()
		}
		m.add(i, o)
		if !o.Correct {
			all = append(all, Mistake{i, o})
		}
	}
	slices.SortStableFunc(all, func(a, b Mistake) int { return task.Worst(a.Outcome, b.Outcome) })
	if m.count != len(all) || len(m.worst) != mistakesKept || m.worst[0].Example != 501 {
		t.Fatalf("%d mistakes, %d kept, the first %+v", m.count, len(m.worst), m.worst[0])
	}
	for i, w := range m.worst {
		if w.Example != all[i].Example {
			t.Fatalf("place %d has example %d of loss %g, want %d of %g", i, w.Example, w.Loss, all[i].Example, all[i].Loss)
		}
	}
}
