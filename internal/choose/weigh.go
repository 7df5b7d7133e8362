package choose

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Weigh scores the candidates from the evidence and recommends one. With t and h the accuracies of the head's probe on its own
// training examples and on held-out ones, and h* the best held-out accuracy of any depth, N examples and a plan that thaws a share s
// of the pull (see Candidate.Pull) and a share d of the blocks:
//
//	underfit = 1−t          what no head on the frozen trunk can get right, not even where it was told the answer
//	stale    = h*−h         what an earlier depth knows and the blocks behind it lose, where that is more than its standard error
//	risk     = ½/√N         the largest standard error of an accuracy over N examples: what fitting their accidents may cost
//	score    = h + √s (underfit + stale) − (1+d)/2 risk,   for the head alone h
//
// Thawing can mend the first two; it costs the third, the more the deeper. The error t−h that is left of a head that does not underfit
// is for want of examples, and more weights do not mend it. The square root says that the last blocks mend more than their share. Of
// plans whose scores are within half a standard error of the best the one that thaws the fewest blocks is recommended: it costs least.
//
// The three parts are measured; how they add up is a rule of thumb, which is why a fit of the first two plans beats it.
func Weigh(a *Advice) {
	last := a.Depths[len(a.Depths)-1]
	best := last
	for _, d := range a.Depths {
		if d.HeldOut > best.HeldOut+math.Max(d.Error, best.Error) {
			best = d
		}
	}
	underfit, stale, risk := 1-last.Train, best.HeldOut-last.HeldOut, 0.5/math.Sqrt(float64(a.Examples))
	for i := range a.Candidates {
		c := &a.Candidates[i]
		c.Score = last.HeldOut
		if !c.headOnly() {
			c.Score = min(1, max(a.Majority, last.HeldOut+math.Sqrt(c.Pull)*(underfit+stale)-(1+c.Depth)/2*risk))
		}
	}
	top := slices.MaxFunc(a.Candidates, func(x, y Candidate) int { return sign(x.Score - y.Score) })
	pick := top
	for _, c := range a.Candidates {
		if c.Score >= top.Score-last.Error/2 && c.Depth < pick.Depth {
			pick = c
		}
	}
	other := math.Inf(-1) // the best of the other kind: the head against deeper plans
	for _, c := range a.Candidates {
		if c.headOnly() != pick.headOnly() {
			other = max(other, c.Score)
		}
	}
	r := &a.Recommended
	r.Thaw = pick.Thaw
	r.Why = a.why(pick, last, best, risk)
	r.Sure, r.Doubts = a.sure((pick.Score-other)/last.Error, last)
}

func (c *Candidate) headOnly() bool { return c.Thaw == "head" }

// thousands writes n with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// why gives the reason in sentences.
func (a *Advice) why(pick Candidate, last, best DepthEvidence, risk float64) string {
	var s []string
	reaches := fmt.Sprintf("On the frozen trunk a head reaches %.1f%% of its own training examples and %.1f%% of held-out ones", 100*last.Train, 100*last.HeldOut)
	underfits := 1-last.Train > risk
	switch {
	case underfits:
		s = append(s, reaches+": the trunk underfits.")
	case pick.headOnly() && last.HeldOut > 1-risk:
		s = append(s, reaches+": there is next to nothing to gain.")
	case last.HeldOut < last.Train-risk:
		s = append(s, reaches+": it does not underfit, what it lacks is examples.")
	default:
		s = append(s, reaches+".")
	}
	switch {
	case best.Depth != last.Depth:
		s = append(s, fmt.Sprintf("Features after %s already reach %.1f%%: the blocks behind it serve the task that they were trained for.", best.Depth, 100*best.HeldOut))
	case len(a.Depths) > 1 && !underfits:
		s = append(s, "Features get better up to the last block: the trunk suits the task.")
	}
	size := fmt.Sprintf("%s examples (%d classes) for a model of %s parameters", thousands(a.Examples), a.Classes, thousands(a.Params))
	if pick.headOnly() {
		s = append(s, fmt.Sprintf("With %s, thawing more would risk about %.1f points.", size, 100*risk))
	} else {
		s = append(s, fmt.Sprintf("With %s, thawing risks about %.1f points and may mend up to %.1f.", size, 100*risk, 100*(1-last.Train+best.HeldOut-last.HeldOut)))
	}
	return strings.Join(s, " ")
}

// sure says how far to rely on the choice between the head and more, by its margin in standard errors.
func (a *Advice) sure(margin float64, last DepthEvidence) (sure, doubts string) {
	const fit = "fit it and the next best, and compare"
	switch {
	case last.HeldOut-a.Majority < 2*last.Error:
		return "low", "the frozen features hardly tell the classes apart; another model may serve better (permafrost rank), " + fit
	case margin < 1:
		return "low", fmt.Sprintf("the head and deeper plans are expected within the error of the held-out accuracy, %.1f points: %s", 100*last.Error, fit)
	case margin < 3 || len(a.Depths) < 2:
		return "medium", fmt.Sprintf("expected accuracies are a rule of thumb, and the held-out accuracy has an error of %.1f points; where accuracy matters, %s", 100*last.Error, fit)
	}
	return "high", fmt.Sprintf("the evidence is %.0f standard errors from the opposite choice; how deep to thaw is less certain than whether", margin)
}
