// Package auto is fit --auto: it chooses what to thaw by a search over a small space, and fits that.
//
// In: a prepared session and the user's options. Out: the run of the choice, and a report of all
// trials. It must not know how a model is trained (see package run) or how a search decides (see
// package search).
//
// A choice is a plan at a learning rate. Its trials train on a part of the training examples and
// are measured on the rest of them; the user's validation examples have no say. Trials pause, and
// go on from where they stopped. What every trial shows feeds one belief about all choices, see
// search.Belief. The next trial is the one that is expected to improve the choice most for its work.
// The search ends where no trial is worth its work any more, or at a limit.
//
// Decisions depend on counted work and on scores, never on time. The same data give the same choice
// on every machine, unless a limit of time is given.
package auto

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/search"
)

const (
	minExamples = 10 // training examples, below which nothing is compared
	// limit on the search and the fit, as a share of the work of fitting every plan at three rates
	gridShare = 0.25
	minLimit  = 1e11 // lower bound of the limit, a few seconds of work
	// price of as much work as the head alone takes, as a share of the badness of guessing
	headPrice = 0.00001
	// the same for the fit that follows: of choices that are expected to be equally good, the one
	// that computes less is taken
	fitPrice = 0.000001
	most     = 1.4 // times the limit that may be reached where the choice turns to a dearer plan at the end
	// work of the search, over that of the head alone, while the head is expected to be best or
	// nothing else was tried
	headTimes  = 1.2
	leastTried = 2e11 // work of the search in any case, a few seconds
	// how much of what advice expects counts, and the most that it changes
	adviceShare, mostAdvised = 0.25, 0.5
)

// shares of its epochs at which a trial pauses.
var shares = []float64{0.125, 0.25, 0.5, 1}

// auto is the state of one search.
type auto struct {
	session *run.Session  // on all training examples
	user    config.Config // as given by the user; 0 stands for not given
	emit    func(report.Event)
	began   time.Time
	advice  *choose.Advice

	parts   []part
	choices []*choice
	augment string // how deep plans change their training examples, "" not at all
	changed changed
	trainer trainer
	trials  []*trial // in the order in which they were measured, each of its last measurement
	belief  *search.Belief
	guess   float64 // badness of guessing

	limit   float64 // on work, see gridShare; infinite where time is the limit
	spent   float64
	deep    bool    // something else than a head was tried
	own     float64 // of the head alone, its frozen part included
	lead    int     // the choice that is expected to be best
	reserve float64 // work that is kept back for the fit
	grid    float64
	price   float64         // of a unit of work, as badness
	pace    float64         // work a second of the last trial
	encoded map[string]bool // plans whose frozen values are kept
	reason  string          // of a choice without a search
	report  *Report
}

// trainer goes on with the fit of a choice with a part held out, to a share of its epochs.
type trainer interface {
	advance(ctx context.Context, c, part int, share float64) (*measured, error)
	drop(c int) // its fits do not go on
}

// trial is a choice measured on a part at a share of its epochs.
type trial struct {
	choice, part int
	share        float64
	*measured
}

// search spends the limit on trials, and returns the choice.
func (a *auto) search(ctx context.Context) (int, error) {
	for {
		s, ok := a.next()
		if !ok {
			return a.best(), nil
		}
		if err := a.measure(ctx, s); err != nil {
			return 0, err
		}
	}
}

// heads measures the head alone on every part. It trains on kept values, so it computes little.
func (a *auto) heads(ctx context.Context) error {
	for p := range a.parts {
		if s := a.step(0, p, 1); p > 0 && (!a.choices[0].head || a.spent+s.Work > a.limit/4) {
			break
		}
		if err := a.measure(ctx, a.step(0, p, 1)); err != nil {
			return err
		}
	}
	if len(a.trials) == 0 {
		return nil
	}
	if a.guess = a.trials[0].guess; a.guess == 0 {
		a.guess = mean(badness(a.trials[:1])[0])
	}
	c := a.choices[0]
	a.own = c.fitWork + c.frozen(a.session.Train.Len(), a.session.Val.Len())
	a.price = headPrice * a.guess / a.own
	return nil
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v / float64(len(x))
	}
	return sum
}

// next is the trial that goes on or begins next.
func (a *auto) next() (search.Step, bool) {
	a.believe()
	a.hold()
	var steps []search.Step
	for c := range a.choices {
		if a.may(c) {
			steps = append(steps, a.steps(c)...)
		}
	}
	if can := slices.DeleteFunc(slices.Clone(steps), func(s search.Step) bool { return !a.affords(s) }); len(can) > 0 || a.deep {
		steps = can
	} else if cheap := a.cheapest(steps); a.user.Budget == 0 && a.spent+cheap.Work+a.reserve <= a.limit { // one trial at least
		steps = []search.Step{cheap}
	} else {
		steps = nil
	}
	return a.belief.Next(steps, a.lead, a.price, a.may)
}

// cheapest is the deep step of the least work.
func (a *auto) cheapest(steps []search.Step) search.Step {
	least := search.Step{Work: math.Inf(1)}
	for _, s := range steps {
		if !a.choices[s.Choice].head && s.Work < least.Work {
			least = s
		}
	}
	return least
}

// steps lists how the trials of a choice may go on: its last trial to later shares, or the next
// part, once the trial on the part before is at least half way.
func (a *auto) steps(c int) []search.Step {
	var out []search.Step
	last, share := a.last(c)
	if last >= 0 && share < 1 {
		for _, s := range shares {
			if s > share {
				out = append(out, a.step(c, last, s))
			}
		}
	}
	if next := last + 1; next < len(a.parts) && (last < 0 || share >= 0.25) {
		for _, s := range shares {
			if s >= 0.25 || last < 0 {
				out = append(out, a.step(c, next, s))
			}
		}
	}
	return out
}

// last is the last part that a choice was measured on, and up to which share; -1 where it was not.
func (a *auto) last(c int) (part int, share float64) {
	part = -1
	for _, t := range a.trials {
		if t.choice == c && t.part >= part {
			part, share = t.part, t.share
		}
	}
	return part, share
}

func (a *auto) step(c, part int, share float64) search.Step {
	examples := a.parts[part].heldOut
	if !a.classes() {
		examples = min(examples, chunks)
	}
	return search.Step{Choice: c, Part: part, Share: share, Examples: examples, Work: a.cost(c, part, share)}
}

// cost is the work of taking a choice on a part to a share of its epochs, from where it stands.
func (a *auto) cost(c, part int, share float64) float64 {
	of, from := a.choices[c], 0.0
	for _, t := range a.trials {
		if t.choice == c && t.part == part {
			from = t.share
		}
	}
	epochs := float64(of.cfg.Epochs) * (share - from)
	p := a.parts[part]
	w := of.fit(epochs, p.trained, p.heldOut)
	if !a.encoded[of.digest] {
		w += of.frozen(p.trained, p.heldOut)
	}
	return w
}

// affords reports whether a trial, and a fit of what may then be chosen, stay within the limit.
func (a *auto) affords(s search.Step) bool {
	if a.user.Budget > 0 {
		left := (a.user.Budget - time.Since(a.began)).Seconds()
		return a.pace == 0 && left > 0 || (s.Work+a.reserve)/a.pace < left
	}
	if (a.choices[a.lead].head || !a.deep) && a.spent+s.Work > math.Max(headTimes*a.own, leastTried) {
		return false
	}
	return a.spent+s.Work+a.reserve <= a.limit
}

// hold keeps back the work of the fit that is to be expected: of each choice that may be the best, by
// its chance to be better than the one in the lead.
func (a *auto) hold() {
	a.lead = a.belief.Best(0, a.may)
	sum, weight := 0.0, 0.0
	for c, of := range a.choices {
		if !a.may(c) {
			continue
		}
		m, d := a.belief.Difference(c, a.lead)
		w := 1.0
		if c != a.lead && d > 0 {
			w = 0.5 * math.Erfc(m/d/math.Sqrt2)
		}
		w *= w // a choice that is hardly better is hardly ever the best of many
		sum, weight = sum+w*of.fitWork, weight+w
	}
	a.reserve = sum / weight
}

// usualPace is the operations a second that a slow thread does, for what is said ahead.
const usualPace = 25e9

// ahead says what the search and its fit may take, where the head alone took so long.
func (a *auto) ahead(took time.Duration) string {
	if a.user.Budget > 0 {
		return fmt.Sprintf("ends after %v", a.user.Budget)
	}
	pace := usualPace * float64(kernel.Threads())
	return fmt.Sprintf("and its fit take at most about %v", max(took, time.Duration(a.limit/pace*float64(time.Second))).Round(time.Second))
}

// may reports whether a choice can be taken: it did not fail, and its fit is within the limit.
func (a *auto) may(c int) bool {
	of := a.choices[c]
	if of.failed != "" {
		return false
	}
	return c == 0 || a.user.Budget > 0 || a.spent+of.fitWork <= most*a.limit
}

// measure goes on with a trial.
func (a *auto) measure(ctx context.Context, s search.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began, c := time.Now(), a.choices[s.Choice]
	a.spent += s.Work
	m, err := a.trainer.advance(ctx, s.Choice, s.Part, s.Share)
	if err != nil {
		return err
	}
	a.encoded[c.digest] = true
	took := time.Since(began).Seconds()
	if !c.head {
		a.deep = true
		a.pace = s.Work / math.Max(took, 1e-3)
	}
	if m.failed != "" {
		c.failed = m.failed
		a.trainer.drop(s.Choice)
	} else {
		a.trials = append(a.trials, &trial{s.Choice, s.Part, s.Share, m})
	}
	a.tell(s, m, took)
	return nil
}

// believe makes the belief of what the trials have shown.
func (a *auto) believe() {
	a.belief = &search.Belief{Choices: a.beliefs(), Trained: a.trained()}
	for i, each := range badness(a.trials) {
		t := a.trials[i]
		a.belief.Read(search.Reading{Choice: t.choice, Part: t.part, Share: t.share, Each: each})
	}
}

// trained is the mean share of the training examples that a trial trains on, 1 without parts.
func (a *auto) trained() float64 {
	if len(a.parts) == 0 {
		return 1
	}
	sum, all := 0, 0
	for _, p := range a.parts {
		sum, all = sum+p.trained, all+a.session.Train.Len()
	}
	return float64(sum) / float64(all)
}

// best is the choice that is expected to be best of those that were tried for long enough.
func (a *auto) best() int {
	a.believe()
	return max(0, a.belief.Best(a.price*fitPrice/headPrice, func(c int) bool { return a.may(c) && a.tried(c) }))
}

// tried reports whether a choice was tried for long enough to be taken. Short trials flatter what
// learns fast: an adapter must have trained for half of its epochs, layers at a higher rate than the
// recipe's for all of them.
func (a *auto) tried(c int) bool {
	part, share := a.last(c)
	least := 0.0
	switch of := a.choices[c]; {
	case of.head:
	case of.rate > 0:
		least = 1
	case of.cfg.Adapter != "":
		least = 0.5
	}
	return part > 0 || part == 0 && share >= least
}
