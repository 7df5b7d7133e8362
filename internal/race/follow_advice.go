package race

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/choose"
)

// followAdvice chooses without a race where a race would say less than advice. It returns nil where
// there must be a race.
//
// Where advice is sure that the head suffices, it is followed. Its probes have seen every example,
// in five folds; a race sees fewer.
//
// On few examples, deeper plans differ by less than the error of what can be held out, even more so
// after short trainings. There the deeper plan that advice scores highest is tried against the
// head, for all of its epochs:
//
//   - It is taken unless the head is clearly better. What a good head loses by thawing is less than
//     what a poor head gains.
//   - Where the head is likely better, the plan that thaws least is taken. A trial on four fifths
//     of few examples is harder on deep plans than on heads.
//   - Where it is clearly better than the head, the rest of the limit goes to still deeper plans,
//     see tryDeeper.
//
// Where advice is sure enough that the trunk must adapt, there is no trial. Of the plans that
// advice scores about as high, the one that thaws most is taken.
func (r *race) followAdvice(ctx context.Context, advice *choose.Advice, field []*candidate) (*candidate, error) {
	if advice == nil || len(advice.Depths) == 0 {
		return nil, nil
	}
	says := advice.Recommended
	trunkSuits := says.Thaw == "head" && says.Sure == "high"
	if !trunkSuits && !r.small() {
		return nil, nil
	}
	if len(field) == 0 || !field[0].headOnly {
		return nil, nil
	}
	head, deep := field[0], (*candidate)(nil)
	if !trunkSuits {
		deep = deepest(advice, field[1:], 0)
	}
	if err := r.measureHead(ctx, head); err != nil {
		return nil, err
	}
	if deep == nil || r.headSuffices(head) {
		heads, err := r.varyHead(ctx, field[:1], nil)
		if trunkSuits {
			r.reason = "Advice is sure that the frozen trunk suits the task, so nothing deeper was tried. " + says.Why
		}
		return pick(heads), err
	}
	if says.Thaw != "head" && says.Sure != "low" {
		deep = deepest(advice, field[1:], advice.Depths[len(advice.Depths)-1].Error/2)
		r.reason = fmt.Sprintf("%d examples are too few for a race to tell deeper plans apart. Of the plans that advice scores highest, the one that thaws most was taken. %s", r.session.Train.Len(), says.Why)
	} else if done, err := r.trial(ctx, deep, head); err != nil || deep.failed != "" {
		return head, err
	} else if !done {
		r.reason = fmt.Sprintf("Advice is not sure whether the trunk has to move, and a trial of thawing %s would cost too much. It was thawed, since %s.", deep.name(), whyThawInDoubt)
	} else if deep = r.afterTrial(head, deep, field[1]); deep == head {
		return head, nil
	} else if deep, err = r.tryDeeper(ctx, deep, head, field); err != nil {
		return nil, err
	}
	return deep, nil
}

// whyThawInDoubt is the reason to take a plan that is neither clearly better nor clearly worse than
// the head.
const whyThawInDoubt = "a trunk that suits the task loses less by moving than one that does not loses by staying"

// afterTrial chooses after a trial of deep against the head: deep, the head, or the plan that thaws
// least.
func (r *race) afterTrial(head, deep, least *candidate) *candidate {
	mean, deviation := paired(common(deep.scores, head.scores))
	switch {
	case beats(head, deep, clear):
		return head
	case beats(head, deep, likely):
		r.reason = fmt.Sprintf("The head alone is %s better than thawing %s, with an error of %s: likely, not certain. The plan that thaws least was taken, since %s.", r.points(-mean), deep.name(), r.points(deviation), whyThawInDoubt)
		return least
	case !beats(deep, head, margin):
		r.reason = fmt.Sprintf("Thawing %s makes a difference of %s to the head alone, with an error of %s: neither is clearly better. It was thawed, since %s.", deep.name(), r.points(mean), r.points(deviation), whyThawInDoubt)
	}
	return deep
}

// tryDeeper spends the rest of the limit on how deep to thaw, where thawing is clearly right. It
// compares the next plan that computes more with the current one, fold after fold, and takes it
// where it is worth its cost.
func (r *race) tryDeeper(ctx context.Context, deep, head *candidate, field []*candidate) (*candidate, error) {
	if !beats(deep, head, clear) {
		return deep, nil
	}
	for _, next := range field[slices.Index(field, deep)+1:] {
		for fold := range r.folds {
			pair := []*candidate{next}
			if deep.scores[fold] == nil {
				pair = append(pair, deep)
			}
			if next.scores != nil && r.decided(next, []*candidate{deep}) || !r.affordsAll(pair, 1, fold, len(caps)) {
				break
			}
			for _, c := range pair {
				if err := r.measure(ctx, c, 1, 1, fold); err != nil {
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

// trial trains a plan for all of its epochs, fold after fold, until it is clearly better or worse
// than the head or the limit is reached. It reports whether it could measure the plan at all.
func (r *race) trial(ctx context.Context, deep, head *candidate) (bool, error) {
	for fold := range r.folds {
		if head.scores[fold] == nil || deep.scores != nil && r.decided(deep, []*candidate{head}) || !r.affords(deep, 1, fold, len(caps)) {
			break
		}
		if err := r.measure(ctx, deep, 1, 1, fold); err != nil || deep.failed != "" {
			return false, err
		}
	}
	return deep.scores != nil, nil
}

// deepest is the plan that computes most of those that advice scores within a distance of its best,
// not counting the head. It is nil where there is none. A plan that is not in the field computes
// nearly as much as the last one there.
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
		if best == nil || c.fitWork > best.fitWork {
			best = c
		}
	}
	return best
}
