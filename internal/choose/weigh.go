package choose

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Weigh scores the candidates by the evidence and recommends one. Let t and h be the accuracies of
// the head's probe on its own training examples and on held-out ones. A plan thaws a share s of the
// pull (see Candidate.Pull) and a share d of the blocks:
//
//	underfit = 1−t      what no head on the frozen trunk gets right, not even on its training examples
//	untapped = what probes of other depths, or of all depths, gain over h on held-out examples: the largest
//	           gain beyond its standard error; else the loss of the probe of all depths, where that is
//	           beyond its standard error; else 0
//	risk     = √(h(1−h)/N), the standard error of h: what overfitting to N examples may cost
//	mend     = underfit + untapped, but at most the error 1−h
//	score    = h + √s mend − (1+d)/2 risk; for the head alone h
//
// Thawing can mend the first two, and risks the third, the more the deeper it is. Underfit says
// nothing where there are so many features that any labels can be fitted. Untapped is measured on
// held-out examples, so it still does. The rest of the head's error is for want of examples, which
// more weights do not mend. The square root expresses that the last blocks mend more than their
// share. Of the plans within half a standard error of the best score, the one that thaws the fewest
// blocks is recommended, since it costs least.
//
// An adapter gets the score of thawing everything, since it changes what every layer computes. It
// is never recommended: no evidence here tells how much of that its few weights reach. It is for
// small memory or small checkpoints.
//
// The three parts are measured. How they add up is a rule of thumb, so a fit of the two best plans
// says more.
func Weigh(a *Advice) {
	last := a.Depths[len(a.Depths)-1]
	mend := a.mend(last)
	for i := range a.Candidates {
		c := &a.Candidates[i]
		c.Score = last.HeldOut
		if !c.headOnly() {
			c.Score = a.score(pull{c.Pull, c.Depth}, last, mend)
		}
	}
	plans := slices.DeleteFunc(slices.Clone(a.Candidates), func(c Candidate) bool { return c.Adapter != "" })
	top := slices.MaxFunc(plans, func(x, y Candidate) int { return sign(x.Score - y.Score) })
	pick := top
	for _, c := range plans {
		if c.Score >= top.Score-last.Error/2 && c.Depth < pick.Depth {
			pick = c
		}
	}
	other := math.Inf(-1) // the best of the other kind, head or deeper plans
	for _, c := range plans {
		if c.headOnly() != pick.headOnly() {
			other = max(other, c.Score)
		}
	}
	r := &a.Recommended
	r.Thaw = pick.Thaw
	r.Why = a.why(pick, last)
	margin := (pick.Score - other) / last.Error
	// the paired comparison is more precise
	if a.Joint != nil && pick.headOnly() == (a.Joint.Gain < 0) {
		margin = max(margin, math.Abs(a.Joint.Gain)/a.Joint.Error)
	}
	r.Sure, r.Doubts = a.sure(pick, margin, last)
}

// score is that of a plan which thaws more than the head, see Weigh.
func (a *Advice) score(p pull, last DepthEvidence, mend float64) float64 {
	return min(1, max(a.Majority, last.HeldOut+math.Sqrt(p.share)*mend-(1+p.depth)/2*last.Error))
}

func (c *Candidate) headOnly() bool { return c.Thaw == "head" }

// best is the earlier depth that gains most over the head's input, beyond its standard error. It is
// nil where none does.
func (a *Advice) best() *DepthEvidence {
	var best *DepthEvidence
	for i := range a.Depths[:len(a.Depths)-1] {
		if d := &a.Depths[i]; d.Gain > d.GainErr && (best == nil || d.Gain > best.Gain) {
			best = d
		}
	}
	return best
}

// untapped is what the trunk knows beyond the head's input, see Weigh.
func (a *Advice) untapped() float64 {
	v := 0.0
	if a.Joint != nil && math.Abs(a.Joint.Gain) > a.Joint.Error {
		v = a.Joint.Gain
	}
	if best := a.best(); best != nil {
		v = max(v, best.Gain)
	}
	return v
}

// mend is what thawing can mend, see Weigh.
func (a *Advice) mend(last DepthEvidence) float64 {
	return min(1-last.Train+a.untapped(), 1-last.HeldOut)
}

// memorises reports whether the head has so many features that its accuracy on its own training
// examples says nothing. Nearly any labels of up to twice as many points as dimensions can be
// separated (Cover, Geometrical and statistical properties of systems of linear inequalities,
// 1965).
func (a *Advice) memorises(last DepthEvidence) bool {
	return min(a.Examples, most) <= 2*last.Features && last.Train > 1-last.Error
}

// guess recommends a plan where there are no probes: the least that adapts the trunk, if gradients
// are more than the noise of batches. It scores nothing.
func (a *Advice) guess() {
	signal, noise := 0.0, 1/float64(probingBatches)
	for _, g := range a.Gradients {
		signal = max(signal, g.Scores["signal_to_noise"])
	}
	r := &a.Recommended
	r.Sure = "low"
	r.Doubts = fmt.Sprintf("the task %s has no probe, so nothing measures what thawing gains; fit the head and the next plans, and compare", a.Task)
	pick := a.Candidates[0]
	if signal > noise && len(a.Candidates) > 1 {
		pick = a.Candidates[1]
		r.Why = fmt.Sprintf("Batches agree on where the trunk should move: the ratio of signal to noise of its gradients reaches %.2f, of noise alone it is about %.2f.", signal, noise)
	} else {
		r.Why = fmt.Sprintf("The gradients of the trunk are not told from noise: their ratio of signal to noise reaches %.2f, of noise alone it is about %.2f.", signal, noise)
	}
	r.Thaw = pick.Thaw
	r.Why += fmt.Sprintf(" %s examples for a model of %s parameters.", thousands(a.Examples), thousands(a.Params))
}

// thousands formats n with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// why gives the reason in sentences.
func (a *Advice) why(pick Candidate, last DepthEvidence) string {
	var s []string
	reaches := fmt.Sprintf("On the frozen trunk a head reaches %.1f%% of its own training examples and %.1f%% of held-out ones", 100*last.Train, 100*last.HeldOut)
	untapped, best := a.untapped(), a.best()
	underfits := 1-last.Train > last.Error
	switch {
	case underfits:
		s = append(s, reaches+": the trunk underfits.")
	case pick.headOnly() && a.settled(last):
		s = append(s, reaches+": there is next to nothing to gain.")
	case a.memorises(last):
		s = append(s, reaches+fmt.Sprintf(". With %s features for %s examples it can fit them all, whatever the trunk is worth.", thousands(last.Features), thousands(min(a.Examples, most))))
	case last.HeldOut < last.Train-last.Error && untapped <= 0:
		s = append(s, reaches+": it does not underfit, what it lacks is examples.")
	default:
		s = append(s, reaches+".")
	}
	if best != nil {
		s = append(s, fmt.Sprintf("Features after %s already reach %.1f%%: the later blocks serve the task that the model was pretrained for.", best.Depth, 100*best.HeldOut))
	}
	if j := a.Joint; j != nil {
		by := fmt.Sprintf("%.1f points (+- %.1f)", 100*math.Abs(j.Gain), 100*j.Error)
		switch {
		case j.Gain > j.Error:
			s = append(s, fmt.Sprintf("A probe of all depths at once reaches %.1f%% of held-out examples, %s more: the trunk knows more than its last block hands on, and thawing gets at that.", 100*j.HeldOut, by))
		case j.Gain < -j.Error:
			s = append(s, fmt.Sprintf("A probe of all depths at once loses %s on held-out examples: the last block hands on what matters, and the examples are too few for more.", by))
		case best == nil:
			s = append(s, fmt.Sprintf("A probe of all depths at once does no better on held-out examples (%+.1f points, +- %.1f): the last block hands on what the trunk knows.", 100*j.Gain, 100*j.Error))
		}
	}
	size := fmt.Sprintf("%s examples (%d classes) for a model of %s parameters", thousands(a.Examples), a.Classes, thousands(a.Params))
	mend := a.mend(last)
	switch {
	case pick.headOnly() && mend > 0:
		s = append(s, fmt.Sprintf("With %s, thawing more may mend %.1f points at most and risks about %.1f.", size, 100*mend, 100*last.Error))
	case pick.headOnly():
		s = append(s, fmt.Sprintf("With %s, thawing more has nothing to mend and risks about %.1f points.", size, 100*last.Error))
	default:
		s = append(s, fmt.Sprintf("With %s, thawing risks about %.1f points and may mend about %.1f.", size, 100*last.Error, 100*mend))
	}
	return strings.Join(s, " ")
}

// settled reports whether the head leaves so little error, two points at most, that nothing could
// be shown to be better.
func (a *Advice) settled(last DepthEvidence) bool { return 1-last.HeldOut < min(0.02, 3*last.Error) }

// sure says how far to rely on the choice between the head and deeper plans, from its margin in
// standard errors.
func (a *Advice) sure(pick Candidate, margin float64, last DepthEvidence) (sure, doubts string) {
	const fit = "fit it and the next best, and compare"
	switch {
	case last.HeldOut-a.Majority < 2*last.Error:
		return "low", "the frozen features hardly tell the classes apart; another model may serve better (permafrost rank), " + fit
	case pick.headOnly() && a.settled(last):
		return "high", fmt.Sprintf("at most %.1f points are left to gain, if new examples are like these", 100*(1-last.HeldOut))
	case margin < 1:
		return "low", fmt.Sprintf("the head and deeper plans are closer than the error of the held-out accuracy, %.1f points: %s", 100*last.Error, fit)
	case margin < 3 || len(a.Depths) < 2:
		return "medium", fmt.Sprintf("how the evidence adds up is a rule of thumb, and the held-out accuracy has an error of %.1f points; where accuracy matters, %s", 100*last.Error, fit)
	}
	return "high", fmt.Sprintf("the evidence is %.0f standard errors from the opposite choice; how deep to thaw is less certain than whether", margin)
}
