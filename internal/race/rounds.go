package race

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// run runs the race and returns the winner, with the configuration of the final fit. It returns nil
// where nothing could be measured.
func (r *race) run(ctx context.Context, alive []*candidate) (*candidate, error) {
	var heads []*candidate
	var err error
	if k := slices.IndexFunc(alive, func(c *candidate) bool { return c.headOnly }); k >= 0 {
		heads, alive = alive[k:k+1:k+1], slices.Delete(slices.Clone(alive), k, k+1)
		if err := r.measureHead(ctx, heads[0]); err != nil {
			return nil, err
		}
		if r.headSuffices(heads[0]) {
			alive = nil
		}
	}
	for k, share := range r.rounds(alive) {
		if len(alive) == 0 {
			break
		}
		if k > 0 {
			alive = r.halve(alive)
			if k == 1 && !r.small() {
				if alive, err = r.vary(alive, share); err != nil {
					return nil, err
				}
			}
		}
		measured, err := r.round(ctx, k, share, alive, heads)
		if err != nil {
			return nil, err
		}
		if k > 0 && len(measured) == 0 {
			break
		}
		alive = measured
	}
	if alive, err = r.trainLonger(ctx, alive, heads); err != nil {
		return nil, err
	}
	if alive, err = r.confirm(ctx, alive, heads); err != nil {
		return nil, err
	}
	if heads, err = r.varyHead(ctx, heads, pick(alive)); err != nil {
		return nil, err
	}
	winner := pick(append(heads, alive...))
	// a limit of time also bounds the final fit
	if winner != nil && !winner.headOnly && r.user.Budget > 0 {
		winner.cfg.Epochs = max(1, int(math.Round(min(1, 2*winner.share)*float64(winner.cfg.Epochs))))
	}
	return winner, nil
}

// enter makes one candidate for each distinct plan, in the order of their work. It leaves out plans
// that compute nearly as much as thawing everything does. It also counts the work of the grid (the
// head, the last one, two and four blocks, and everything, each at every learning rate) and sets
// the limit, which is a share of that.
func (r *race) enter(plans [][]string) ([]*candidate, error) {
	seen := map[string]bool{}
	var out []*candidate
	most := 0.0
	for _, thaw := range plans {
		c, err := r.candidate(thaw, 1, false)
		if err != nil {
			return nil, err
		}
		if seen[c.digest] {
			continue
		}
		seen[c.digest] = true
		if c.failed == "" {
			out = append(out, c)
			if !c.headOnly {
				most = max(most, c.fitWork)
			}
		} else {
			r.field = append(r.field, c)
		}
		switch c.name() {
		case "head", "last:1", "last:2", "last:4", "all":
			r.grid += float64(len(rates))*c.fitWork + c.frozen(c.cfg.Epochs, r.session.Train.Len()+r.session.Val.Len())
		}
	}
	out = slices.DeleteFunc(out, func(c *candidate) bool { return !c.headOnly && c.fitWork < most && c.fitWork > nearlyAll*most })
	slices.SortStableFunc(out, simpler)
	r.field = append(r.field, out...)
	r.limit = max(minLimit, gridShare*r.grid)
	if r.user.Budget > 0 {
		r.limit = math.Inf(1)
	}
	return out, nil
}

// rounds gives the share of their epochs for which candidates train in each round. Each share is
// twice the one before.
func (r *race) rounds(alive []*candidate) []float64 {
	share := firstShare
	for _, c := range alive {
		steps := c.cfg.Epochs * ((r.session.Train.Len() + c.cfg.Batch - 1) / c.cfg.Batch)
		share = max(share, min(0.5, minSteps/float64(steps)))
	}
	var out []float64
	for ; share <= lastShare; share *= 2 {
		out = append(out, share)
	}
	if r.small() {
		out = out[:min(2, len(out))]
	}
	return out
}

// small reports whether one held-out fold is too small to show more than large differences. Then
// work is spent on further folds, not on a third round or on other learning rates.
func (r *race) small() bool { return len(r.folds[0]) < minFoldSize }

// measureHead measures the head alone on every fold. It trains on cached features, so it computes
// little.
func (r *race) measureHead(ctx context.Context, head *candidate) error {
	for fold := range r.folds {
		if fold > 0 && !r.affords(head, 1, fold, 0) {
			break
		}
		if err := r.measure(ctx, head, 0, 1, fold); err != nil {
			return err
		}
	}
	return nil
}

// headSuffices reports whether even a plan without errors would not be clearly better than the
// head, on all training examples. Then nothing deeper needs to be tried.
func (r *race) headSuffices(head *candidate) bool {
	if !task.KindOf(r.session.Task).Answers.Classes || head.scores == nil {
		return false
	}
	perfect := &candidate{scores: make([][]float64, len(head.scores))}
	for fold, s := range head.scores {
		if s == nil {
			return false
		}
		perfect.scores[fold] = slices.Repeat([]float64{1}, len(s))
	}
	return !beats(perfect, head, clear)
}

// varyHead measures the head at other learning rates where it may still win. It returns all heads.
func (r *race) varyHead(ctx context.Context, heads []*candidate, deep *candidate) ([]*candidate, error) {
	if len(heads) == 0 || r.user.LR != 0 || r.headSuffices(heads[0]) || deep != nil && beats(deep, heads[0], clear) {
		return heads, nil
	}
	head := heads[0]
	for _, rate := range rates[1:] {
		c, err := r.candidate(head.thaw, rate, false)
		if err != nil {
			return nil, err
		}
		c.encoded = true
		for fold := range r.folds {
			if head.scores[fold] == nil || !r.affords(c, 1, fold, len(caps)) {
				continue
			}
			if err := r.measure(ctx, c, 0, 1, fold); err != nil {
				return nil, err
			}
		}
		if c.failed == "" && c.scores != nil {
			heads = append(heads, c)
			r.field = append(r.field, c)
		}
	}
	return heads, nil
}

// round trains candidates for a share of their epochs, fold after fold. It returns those that
// remain, all measured on the same folds.
func (r *race) round(ctx context.Context, k int, share float64, alive, heads []*candidate) ([]*candidate, error) {
	seen := 0
	for fold := range r.folds {
		if fold > 0 && !r.affordsAll(alive, share, fold, k) {
			break
		}
		var measured []*candidate
		for _, c := range alive {
			if fold == 0 && k > 0 && !r.affords(c, share, fold, len(caps)) {
				continue
			}
			if err := r.measure(ctx, c, k, share, fold); err != nil {
				return nil, err
			}
			if c.failed == "" {
				measured = append(measured, c)
			}
		}
		alive = r.drop(measured, heads)
		seen += r.split(fold, 1).held.Len()
		if seen >= enoughHeldOut || len(alive) == 0 || len(alive) == 1 && r.decided(alive[0], heads) {
			break
		}
	}
	return alive, nil
}

// trainLonger trains two deeper candidates, the pick and the one with the best score, for all of
// their epochs on one fold, or for half of them where the limit allows no more. It returns those. A
// short training shows which deeper plan is better. It does not show whether one is better than a
// head, which needs few steps.
func (r *race) trainLonger(ctx context.Context, alive, heads []*candidate) ([]*candidate, error) {
	if len(alive) == 0 || len(heads) == 0 {
		return alive, nil
	}
	best := slices.MaxFunc(alive, func(a, b *candidate) int { return sign(r.score(a, b) - r.score(b, a)) })
	last := []*candidate{pick(alive)}
	if best != last[0] {
		last = append(last, best)
	}
	for _, share := range []float64{1, matureShare} {
		for n := len(last); n > 0; n-- {
			if last[0].share >= share || !r.affordsAll(last[:n], share, 0, len(caps)) {
				continue
			}
			for _, c := range last[:n] {
				if err := r.measure(ctx, c, len(r.rounds(alive)), share, 0); err != nil {
					return nil, err
				}
			}
			return slices.DeleteFunc(last[:n:n], func(c *candidate) bool { return c.failed != "" }), nil
		}
	}
	return alive, nil
}

// confirm spends the rest of the limit on whether to thaw at all. The pick of the deeper candidates
// and the one with the best score are measured on further folds, until they are clearly better or
// worse than the head.
func (r *race) confirm(ctx context.Context, alive, heads []*candidate) ([]*candidate, error) {
	if len(alive) == 0 || len(heads) == 0 {
		return alive, nil
	}
	best := slices.MaxFunc(alive, func(a, b *candidate) int { return sign(r.score(a, b) - r.score(b, a)) })
	last := []*candidate{pick(alive)}
	if best != last[0] {
		last = append(last, best)
	}
	share := last[0].share
	for fold := range r.folds {
		if slices.ContainsFunc(last, func(c *candidate) bool { return c.scores[fold] != nil || c.share != share }) {
			continue
		}
		if heads[0].scores[fold] == nil || !slices.ContainsFunc(last, func(c *candidate) bool { return !r.decided(c, heads) }) {
			break
		}
		if len(last) > 1 && !r.affordsAll(last, share, fold, len(caps)) {
			last = last[:1]
		}
		if !r.affordsAll(last, share, fold, len(caps)) {
			break
		}
		for _, c := range last {
			if err := r.measure(ctx, c, len(r.rounds(alive)), share, fold); err != nil {
				return nil, err
			}
		}
	}
	return slices.DeleteFunc(alive, func(c *candidate) bool { return c.failed != "" }), nil
}

// affords reports whether a candidate can be measured within a round's cap. A fit for twice the
// share of its epochs must then still be within the limit.
func (r *race) affords(c *candidate, share float64, fold, round int) bool {
	return r.affordsAll([]*candidate{c}, share, fold, round)
}

// affordsAll reports the same of several candidates, one of which is fitted in the end.
func (r *race) affordsAll(all []*candidate, share float64, fold, round int) bool {
	work, fit := 0.0, 0.0
	for _, c := range all {
		work += r.cost(c, share, fold)
		fit = max(fit, math.Min(1, 2*share)*c.fitWork)
	}
	if r.user.Budget > 0 {
		left := r.user.Budget - time.Since(r.began)
		return r.speed == 0 || work/r.speed < left.Seconds()
	}
	if round < len(caps) && r.spent+work > caps[round]*r.limit {
		return false
	}
	return r.spent+work+fit <= r.limit
}

// drop removes the candidates that another is clearly better than.
func (r *race) drop(alive, heads []*candidate) []*candidate {
	all := append(slices.Clone(heads), alive...)
	return slices.DeleteFunc(slices.Clone(alive), func(c *candidate) bool {
		return slices.ContainsFunc(all, func(o *candidate) bool {
			return o != c && (!o.headOnly || c.share >= matureShare) && beats(o, c, clear)
		})
	})
}

// decided reports whether a candidate is clearly better or worse than each head.
func (r *race) decided(c *candidate, heads []*candidate) bool {
	return !slices.ContainsFunc(heads, func(h *candidate) bool { return !beats(c, h, clear) && !beats(h, c, clear) })
}

// halve keeps the better half of the candidates by score, and the pick.
func (r *race) halve(alive []*candidate) []*candidate {
	if len(alive) < 2 {
		return alive
	}
	choice := pick(alive)
	alive = slices.Clone(alive)
	slices.SortStableFunc(alive, func(a, b *candidate) int { return sign(r.score(b, a) - r.score(a, b)) })
	kept := alive[:(len(alive)+1)/2]
	if !slices.Contains(kept, choice) {
		kept = append(kept, choice)
	}
	slices.SortStableFunc(kept, simpler)
	return kept
}

// vary adds the pick at other learning rates, and starting from a head that was trained alone.
func (r *race) vary(alive []*candidate, share float64) ([]*candidate, error) {
	choice := pick(alive)
	if choice == nil {
		return alive, nil
	}
	add := func(rate float64, warm bool) error {
		c, err := r.candidate(choice.thaw, rate, warm)
		if err != nil {
			return err
		}
		c.encoded = choice.encoded
		if r.affordsAll(append(slices.Clone(alive), c), share, 0, 1) {
			alive = append(alive, c)
			r.field = append(r.field, c)
		}
		return nil
	}
	if r.user.LR == 0 {
		for _, rate := range rates[1:] {
			if err := add(rate, false); err != nil {
				return nil, err
			}
		}
	}
	if r.heads[0] != nil && r.user.Start != "probe" {
		return alive, add(1, true)
	}
	return alive, nil
}
