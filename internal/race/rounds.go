package race

import (
	"context"
	"math"
	"slices"
	"time"
)

// run races and returns the winner. Its cfg is that of the fit that follows.
func (r *race) run(ctx context.Context, plans [][]string) (*candidate, error) {
	alive, err := r.enter(plans)
	if err != nil {
		return nil, err
	}
	r.limit = gridShare * r.grid(alive)
	if r.user.Budget > 0 {
		r.limit = math.Inf(1)
	}
	alone := slices.IndexFunc(alive, func(c *candidate) bool { return c.alone })
	var heads []*candidate
	if alone >= 0 {
		head := alive[alone]
		alive = slices.Delete(alive, alone, alone+1)
		if heads, err = r.raceHeads(ctx, head); err != nil {
			return nil, err
		}
	}
	var last []*candidate // of the last round that was raced
	for k, share := range rounds {
		if k > 0 {
			alive = r.halve(alive, heads)
			if len(alive) == 0 || !r.affords(r.pick(alive), share, 0) {
				break
			}
			if k == 1 {
				if alive, err = r.addRates(alive, share); err != nil {
					return nil, err
				}
			}
		}
		measured, err := r.round(ctx, k, share, alive, heads)
		if err != nil {
			return nil, err
		}
		if len(measured) == 0 {
			break
		}
		last, alive = measured, measured
	}
	winner := r.pick(append(slices.Clone(heads), last...))
	if winner == nil {
		return nil, nil
	}
	if !winner.alone {
		winner.cfg.Epochs = max(1, int(math.Round(math.Min(1, 2*winner.share)*float64(winner.cfg.Epochs))))
	}
	return winner, nil
}

// enter makes the candidates of plans, from the one that computes least, each plan once.
func (r *race) enter(plans [][]string) ([]*candidate, error) {
	seen := map[string]bool{}
	var out []*candidate
	for _, thaw := range plans {
		c, err := r.candidate(thaw, 1)
		if err != nil {
			return nil, err
		}
		if key := c.digest; !seen[key] {
			seen[key] = true
			r.field = append(r.field, c)
			if c.failed == "" {
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *candidate) int { return sign(a.full - b.full) })
	return out, nil
}

// grid is the work of fitting every candidate at each learning rate.
func (r *race) grid(field []*candidate) float64 {
	work := 0.0
	for _, c := range field {
		work += float64(len(rates))*c.full + c.frozen(c.cfg.Epochs, r.Train.Len()+r.Val.Len())
	}
	return work
}

// raceHeads measures the head alone on every part, as it trains on kept features and computes little, and starts others from it; at
// further learning rates as far as that is cheap.
func (r *race) raceHeads(ctx context.Context, head *candidate) ([]*candidate, error) {
	heads := []*candidate{head}
	allowed := headShare * r.limit
	for part := range r.parts {
		if part > 0 && r.spent+r.cost(head, 1, part) > allowed {
			break
		}
		if err := r.measure(ctx, head, 0, 1, part); err != nil {
			return nil, err
		}
	}
	if r.user.LR != 0 {
		return heads, nil
	}
	for _, rate := range rates[1:] {
		c, err := r.candidate(head.thaw, rate)
		if err != nil {
			return nil, err
		}
		c.encoded = true
		for part := range r.parts {
			if head.scores[part] == nil || r.spent+r.cost(c, 1, part) > allowed {
				break
			}
			if err := r.measure(ctx, c, 0, 1, part); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(c.scores, func(s []float64) bool { return s != nil }) {
			heads = append(heads, c)
			r.field = append(r.field, c)
		}
	}
	return heads, nil
}

// round races candidates for a share of their epochs, part after part, and returns those that are left, measured on the same parts.
func (r *race) round(ctx context.Context, k int, share float64, alive, heads []*candidate) ([]*candidate, error) {
	seen := 0
	for part := range r.parts {
		var measured []*candidate
		for _, c := range alive {
			if (k > 0 || part > 0) && !r.affords(c, share, part) {
				continue
			}
			if err := r.measure(ctx, c, k, share, part); err != nil {
				return nil, err
			}
			if c.failed == "" {
				measured = append(measured, c)
			}
		}
		if part > 0 && len(measured) < len(alive) { // what was not measured here is judged by the parts before
			break
		}
		alive = measured
		if part == 0 && len(alive) == 0 {
			break
		}
		seen += r.split(part, 1).held.Len()
		alive = r.drop(alive, heads)
		if seen >= enough || len(alive) == 0 || len(alive) == 1 && r.decided(alive[0], heads) {
			break
		}
	}
	return alive, nil
}

// affords reports whether a candidate can be measured and still be fitted within the limit.
func (r *race) affords(c *candidate, share float64, part int) bool {
	work := r.cost(c, share, part)
	if r.user.Budget > 0 {
		left := r.user.Budget - time.Since(r.began)
		return r.speed == 0 || work/r.speed < left.Seconds()
	}
	then := math.Min(1, 2*share) * c.full
	return r.spent+work+then <= r.limit
}

// drop leaves out the candidates that another is clearly better than.
func (r *race) drop(alive, heads []*candidate) []*candidate {
	all := append(slices.Clone(heads), alive...)
	return slices.DeleteFunc(slices.Clone(alive), func(c *candidate) bool {
		return slices.ContainsFunc(all, func(o *candidate) bool { return o != c && beats(o, c, clear) })
	})
}

// decided reports whether a candidate and the heads are clearly apart.
func (r *race) decided(c *candidate, heads []*candidate) bool {
	return !slices.ContainsFunc(heads, func(h *candidate) bool { return !beats(c, h, clear) && !beats(h, c, clear) })
}

// halve keeps the better half of the candidates, by their score, and what would be picked of them.
func (r *race) halve(alive, heads []*candidate) []*candidate {
	alive = r.drop(alive, heads)
	if len(alive) < 2 {
		return alive
	}
	choice := r.pick(alive)
	slices.SortStableFunc(alive, func(a, b *candidate) int { return sign(r.score(b, a) - r.score(a, b)) })
	kept := alive[:(len(alive)+1)/2]
	if !slices.Contains(kept, choice) {
		kept = append(slices.Clone(kept), choice)
	}
	slices.SortStableFunc(kept, func(a, b *candidate) int { return sign(a.full - b.full) })
	return kept
}

// addRates lets the plan that would be picked race at other learning rates too.
func (r *race) addRates(alive []*candidate, share float64) ([]*candidate, error) {
	choice := r.pick(alive)
	if choice == nil || r.user.LR != 0 {
		return alive, nil
	}
	for _, rate := range rates[1:] {
		c, err := r.candidate(choice.thaw, rate)
		if err != nil {
			return nil, err
		}
		c.encoded = choice.encoded
		if !r.affords(c, share, 0) {
			break
		}
		alive = append(alive, c)
		r.field = append(r.field, c)
	}
	return alive, nil
}
