package race

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/choose"
)

// heed does without a race where it would say less than advice already does, and returns the winner: nil where there has to be one.
//
// Advice that is sure of the head is followed: probes of the head and of all depths, held out five times, have seen every example, a race sees
// fewer. On few examples deeper plans differ by less than the error of what can be held out, and the more so after short trainings. There the
// plan that advice scores highest stands for all of them and is tried against the head for all of its epochs. It is taken unless the head is
// clearly better: what a good head loses by thawing is less than what a poor one gains. Where the head is likely better the plan that thaws least
// is taken, since trials on four fifths of so few examples are harder on deep plans than on heads; where thawing is clearly right, what is left to
// spend goes to deeper plans still (climb). Where advice is sure enough that the trunk has to
// move, there is no trial, and the plan is the one that thaws most of those that advice scores about as high.
func (r *race) heed(ctx context.Context, advice *choose.Advice, field []*candidate) (*candidate, error) {
	if advice == nil || len(advice.Depths) == 0 {
		return nil, nil
	}
	says := advice.Recommended
	trunkSuits := says.Thaw == "head" && says.Sure == "high"
	if !trunkSuits && !r.small() {
		return nil, nil
	}
	if len(field) == 0 || !field[0].alone {
		return nil, nil
	}
	head, deep := field[0], (*candidate)(nil)
	if !trunkSuits {
		deep = deepest(advice, field[1:], 0)
	}
	if err := r.measureHead(ctx, head); err != nil {
		return nil, err
	}
	if deep == nil || r.hopeless(head) {
		heads, err := r.varyHead(ctx, field[:1], nil)
		if trunkSuits {
			r.because = "Advice is sure that the frozen trunk suits the task, so nothing deeper was tried. " + says.Why
		}
		return pick(heads), err
	}
	if says.Thaw != "head" && says.Sure != "low" {
		deep = deepest(advice, field[1:], advice.Depths[len(advice.Depths)-1].Error/2)
		r.because = fmt.Sprintf("On %d examples a race could not tell deeper plans apart, so of those that advice scores highest the one that thaws most was taken. %s", r.session.Train.Len(), says.Why)
	} else if done, err := r.trial(ctx, deep, head); err != nil || deep.failed != "" {
		return head, err
	} else if !done {
		r.because = fmt.Sprintf("Advice is not sure whether the trunk has to move, and a trial of thawing %s would cost too much. Thawing it is, since %s.", deep.name(), inDoubt)
	} else if deep = r.tried(head, deep, field[1]); deep == head {
		return head, nil
	} else if deep, err = r.climb(ctx, deep, head, field); err != nil {
		return nil, err
	}
	return deep, nil
}

// inDoubt is why a plan that is neither clearly better nor clearly worse than the head is taken.
const inDoubt = "a trunk that suits the task loses less by moving than one that does not loses by staying"

// tried is what to fit after a trial of deep against the head: that, the head, or the plan that thaws least.
func (r *race) tried(head, deep, least *candidate) *candidate {
	mean, deviation := paired(common(deep.scores, head.scores))
	switch {
	case beats(head, deep, clear):
		return head
	case beats(head, deep, likely):
		r.because = fmt.Sprintf("The head alone is %s better than thawing %s, with an error of %s: likely, not certain. The plan that thaws least is taken, since %s.", r.points(-mean), deep.name(), r.points(deviation), inDoubt)
		return least
	case !beats(deep, head, margin):
		r.because = fmt.Sprintf("Thawing %s makes a difference of %s to the head alone, with an error of %s: neither is clearly better. Thawing it is, since %s.", deep.name(), r.points(mean), r.points(deviation), inDoubt)
	}
	return deep
}

// climb spends what is left, where thawing is clearly right, on how deep: the next plan that computes more is held against the one below it, on
// part after part, and taken where it is worth more.
func (r *race) climb(ctx context.Context, deep, head *candidate, field []*candidate) (*candidate, error) {
	if !beats(deep, head, clear) {
		return deep, nil
	}
	for _, next := range field[slices.Index(field, deep)+1:] {
		for part := range r.parts {
			pair := []*candidate{next}
			if deep.scores[part] == nil {
				pair = append(pair, deep)
			}
			if next.scores != nil && r.decided(next, []*candidate{deep}) || !r.affordsAll(pair, 1, part, len(caps)) {
				break
			}
			for _, c := range pair {
				if err := r.measure(ctx, c, 1, 1, part); err != nil {
					return nil, err
				}
			}
			if next.failed != "" {
				return deep, nil
			}
		}
		if next.scores == nil || !worth(next, deep) {
			break
		}
		deep = next
	}
	return deep, nil
}

// trial trains a plan for all of its epochs on part after part, until it and the head are clearly apart or what may be spent is, and reports whether
// it did so at all.
func (r *race) trial(ctx context.Context, deep, head *candidate) (bool, error) {
	for part := range r.parts {
		if head.scores[part] == nil || deep.scores != nil && r.decided(deep, []*candidate{head}) || !r.affords(deep, 1, part, len(caps)) {
			break
		}
		if err := r.measure(ctx, deep, 1, 1, part); err != nil || deep.failed != "" {
			return false, err
		}
	}
	return deep.scores != nil, nil
}

// deepest is what computes most of the plans beside the head whose score is within a distance of the highest; nil where there is none. A plan that is not in
// the field computes nearly as much as the last there.
func deepest(advice *choose.Advice, field []*candidate, within float64) *candidate {
	var best *candidate
	top := math.Inf(-1)
	plans := slices.DeleteFunc(slices.Clone(advice.Candidates), func(a choose.Candidate) bool { return a.Thaw == "head" || a.Adapter != "" })
	for _, a := range plans {
		top = max(top, a.Score)
	}
	for _, a := range plans {
		if a.Score < top-within || len(field) == 0 {
			continue
		}
		c := field[len(field)-1]
		if k := slices.IndexFunc(field, func(c *candidate) bool { return strings.Join(c.thaw, ",") == a.Thaw }); k >= 0 {
			c = field[k]
		}
		if best == nil || c.full > best.full {
			best = c
		}
	}
	return best
}
