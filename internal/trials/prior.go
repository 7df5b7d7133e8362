package trials

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// What a prior takes off the accuracy that it expects of a trial. Rules of thumb: a rate three times
// too high or too low costs about two points, and twice the work is worth half a point.
const (
	offRate = 0.02  // for a rate three times that of the recipe, or a third of it; four times this for nine
	dearer  = 0.005 // for each doubling of the work
)

// prior makes the score that orders the trials which depend on no results: what the frozen features
// and the gradients of a few batches promise of the plan (choose.Prior), less what the trial costs
// and how far its rate is from that of the recipe. The evidence is gathered once. The same search
// has the same scores on every machine. A point that cannot be fitted comes last.
func (s *Search) prior(ctx context.Context) (func(space.Point) float64, error) {
	began := time.Now()
	evidence, err := choose.NewPrior(ctx, s.Session)
	if errors.Is(err, choose.ErrNoPrior) {
		s.Notes = append(s.Notes, fmt.Sprintf("no prior orders the first trials: %v", err))
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("the prior: %w", err)
	}
	s.Notes = append(s.Notes, fmt.Sprintf("a prior orders the first trials; its evidence took %.1f s", time.Since(began).Seconds()))
	return func(p space.Point) float64 {
		t, err := s.Bench.prepare(p, s.Session.Train, s.Session.Val)
		if err != nil {
			return math.Inf(-1)
		}
		w, err := work(t, 1)
		if err != nil {
			return math.Inf(-1)
		}
		usual := t.Config
		usual.LR = 0
		score := evidence.Score(t) - dearer*math.Log2(w)
		if recipe, err := s.Session.With(usual, s.Session.Train, s.Session.Val); err == nil {
			off := math.Log(t.Config.LR/recipe.Config.LR) / math.Log(3)
			score -= offRate * off * off
		}
		return score
	}, nil
}
