package race

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/choose"
)

// heed does without a race where it would say less than advice already does, and returns the winner: nil where there has to be one.
//
// Advice that is sure of the head is followed: probes of the head and of all depths, held out five times, have seen every example, a race sees
// fewer. On few examples deeper plans differ by less than the error of what can be held out, and the more so after short trainings. There the
// deeper plan that advice scores highest stands for all of them: it is taken where advice is not unsure that the trunk has to move, and else tried
// against the head for all of its epochs. Where neither is better by more than half a standard error it is taken too: what a
// good head loses by thawing is less than what a poor one gains.
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
		deep = deepest(advice, field[1:])
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
		r.because = fmt.Sprintf("On %d examples a race could not tell deeper plans apart, so that of the highest score in the advice was taken. %s", r.Train.Len(), says.Why)
	} else {
		for part := range r.parts {
			if head.scores[part] == nil || deep.scores != nil && r.decided(deep, field[:1]) || !r.affords(deep, 1, part, len(caps)) {
				break
			}
			if err := r.measure(ctx, deep, 1, 1, part); err != nil || deep.failed != "" {
				return head, err
			}
		}
		if deep.scores != nil && beats(head, deep, margin) {
			return head, nil
		}
		if deep.scores != nil && !beats(deep, head, margin) {
			mean, deviation := paired(common(deep.scores, head.scores))
			r.because = fmt.Sprintf("Thawing %s makes a difference of %s to the head alone, with an error of %s: neither is better. Thawing it is, since a trunk that suits the task loses less by moving than one that does not loses by staying.", deep.name(), r.points(mean), r.points(deviation))
		}
	}
	if r.user.Budget == 0 {
		deep.cfg.Epochs = max(1, int(math.Min(1, (r.limit-r.spent)/deep.full)*float64(deep.cfg.Epochs)))
	}
	return deep, nil
}

// deepest is the plan beside the head that advice scores highest, or what computes most where that plan computes nearly as much; nil where there is none.
func deepest(advice *choose.Advice, field []*candidate) *candidate {
	var best *candidate
	top := math.Inf(-1)
	for _, a := range advice.Candidates {
		if a.Thaw == "head" || a.Adapter != "" || a.Score <= top || len(field) == 0 {
			continue
		}
		top, best = a.Score, field[len(field)-1]
		for _, c := range field {
			if strings.Join(c.thaw, ",") == a.Thaw {
				best = c
			}
		}
	}
	return best
}
