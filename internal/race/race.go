// Package race chooses what to thaw by trying. Candidates, plans at learning rates, are trained a little on a part of the training data and
// measured on the rest; the worse ones leave, the others train longer, and the winner trains on everything. The user's validation
// examples have no part in it.
//
// It is successive halving (Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, AISTATS
// 2016) with epochs as the resource, as in Hyperband (Li et al., JMLR 2018). Within a round, candidates race over held-out parts: who is
// clearly worse than another on the parts so far is not measured on the next (Maron and Moore, Hoeffding Races, NIPS 1993). All share
// the cache of frozen activations. A deeper plan needs its epochs to show what it can, so only one that had at least half of them is held
// against a head. Of candidates within half a standard error of the best the one that computes least wins, in the manner of the
// one-standard-error rule (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3).
//
// Where a race could say less than the advice it starts from there is none, see heed.
//
// What it decides depends on counted work and on scores, never on time, so the same data give the same choice on every machine, unless a
// limit of time is given.
package race

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

const (
	heldOutParts = 5     // parts that the training examples are dealt to, each of which may be held out
	heldOutMost  = 2000  // examples of a part that are measured
	enough       = 250   // held-out examples after which no further part is measured in a round
	telling      = 100   // examples of a part on which more than large differences show
	fewest       = 10    // examples that can be raced on
	clear        = 2     // standard errors by which a candidate is clearly better or worse than another
	likely       = 1.5   // standard errors by which it is likely so
	gridShare    = 0.22  // of the work of trying every plan at three learning rates, what the race may take, with a fit of twice the epochs of the last trials; advice takes a little more
	leastLimit   = 3e11  // that at least: a few seconds
	nearly       = 0.85  // a plan that computes this share of what everything does is left to that
	shortest     = 0.125 // share of its epochs for which a candidate trains in the first round,
	longest      = 0.6   // the share in the last round is at most this
	leastSteps   = 60    // if that is so many steps
	grown        = 0.5   // the share of its epochs from which a deeper plan is held against the head
	margin       = 0.5   // standard errors by which a costlier plan has to be better
)

// caps are the shares of the limit that may be spent before no further part is measured in a round.
var caps = []float64{0.25, 0.5, 0.75}

// rates are the multiples of the recipe's learning rate that are tried.
var rates = []float64{1, 3, 1. / 3}

// race is a race under way.
type race struct {
	session *run.Session // on all training examples
	user    run.Config   // as it was given: what is 0 is open
	emit    func(report.Event)
	began   time.Time

	parts []([]int)  // held-out parts of the training examples
	heads []run.Head // trained alone on the rest of each part, nil where not
	sets  map[string]*split
	limit float64 // of work, see gridShare; infinite where time is the limit
	spent float64
	grid  float64 // work of fitting plans at every learning rate
	speed float64 // work a second so far

	field   []*candidate // all that were measured, head first
	because string       // why there was no race, "" where there was one
	report  *Report
}

// split is a held-out part and what of the rest is trained on.
type split struct{ train, held *data.Dataset }

// newRace deals the training examples to parts.
func newRace(s *run.Session, user run.Config, emit func(report.Event)) (*race, error) {
	r := &race{session: s, user: user, emit: emit, began: time.Now(), sets: map[string]*split{}}
	n := s.Train.Len()
	all, err := s.Train.Folds(max(heldOutParts, (n+heldOutMost-1)/heldOutMost), s.Config.Seed)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if len(p) > 0 && len(p) < n {
			r.parts = append(r.parts, p)
		}
	}
	r.heads = make([]run.Head, len(r.parts))
	return r, nil
}

// candidate is a plan at a learning rate.
type candidate struct {
	thaw   []string
	rate   float64    // multiple of the recipe's learning rate
	warm   bool       // it starts from a head that was trained alone, though the user did not ask for that
	cfg    run.Config // of a fit to all training examples
	digest string     // of the plan
	params int
	work   run.Work
	alone  bool    // a fresh head and nothing else
	full   float64 // work of a fit to all training examples

	share   float64     // of the epochs that scores are of
	scores  [][]float64 // by held-out part, nil where not measured with that share
	losses  [][]float64 // of the examples, likewise
	each    [][]*task.Metrics
	encoded bool   // its frozen activations are kept
	failed  string // why it is out of the question
}

// name is how a person would call the plan.
func (c *candidate) name() string {
	if t := slices.DeleteFunc(slices.Clone(c.thaw), func(s string) bool { return s == "head" }); len(t) > 0 {
		return strings.Join(t, ",")
	}
	return "head"
}

// candidate makes one, at a multiple of the learning rate that the user gave or else the recipe has.
func (r *race) candidate(thaw []string, rate float64, warm bool) (*candidate, error) {
	cfg := r.user
	cfg.Auto, cfg.Budget, cfg.Thaw = false, 0, thaw
	if warm {
		cfg.Start = "probe"
	}
	s, err := r.session.With(cfg, r.session.Train, r.session.Val)
	if err != nil {
		return nil, err
	}
	c := &candidate{thaw: thaw, rate: rate, warm: warm, cfg: s.Config, alone: s.Net.Headed.Fresh && s.HeadOnly(), digest: s.Plans.Ever.Digest(), params: s.Plans.Ever.Thawed(s.Net.Set).Elements()}
	c.cfg.LR *= rate
	if err := s.Check(); err != nil {
		c.failed = err.Error() // an operator without gradient behind what it thaws
		return c, nil
	}
	c.work, err = s.Work()
	c.full = c.fit(c.cfg.Epochs, r.session.Train.Len(), r.session.Val.Len())
	return c, err
}

// fit is the work of training, apart from the frozen region.
func (c *candidate) fit(epochs, examples, held int) float64 {
	steps := (examples + c.cfg.Batch - 1) / c.cfg.Batch
	return float64(epochs) * (float64(examples)*c.work.Live + float64(held)*c.work.Live/3 + float64(steps)*c.work.Step)
}

// frozen is the work of the frozen region, which is kept once it is done unless every epoch has other examples.
func (c *candidate) frozen(epochs, examples int) float64 {
	if c.cfg.Augment != "none" && c.cfg.CacheVariants == 0 || c.cfg.Cache == "off" {
		return float64(epochs*examples) * c.work.Frozen
	}
	return float64(examples) * c.work.Frozen
}

// resource is for how many epochs a share of a candidate's epochs is, and which share of the examples where it is less than one.
func (c *candidate) resource(share float64) (epochs int, examples float64) {
	if c.alone {
		return c.cfg.Epochs, 1
	}
	want := share * float64(c.cfg.Epochs)
	if want < 1 {
		return 1, want
	}
	return int(math.Round(want)), 1
}

// splits is a held-out part with a share of the other examples to train on.
func (r *race) split(part int, examples float64) *split {
	others := len(r.parts) - 1
	take := max(1, min(others, int(math.Round(examples*float64(others)))))
	key := fmt.Sprint(part, take)
	if s := r.sets[key]; s != nil {
		return s
	}
	var in []int
	for k := range take {
		in = append(in, r.parts[(part+1+k)%len(r.parts)]...)
	}
	slices.Sort(in)
	held := r.parts[part]
	if len(held) > heldOutMost {
		held = held[:heldOutMost]
	}
	s := &split{r.session.Train.Subset(in), r.session.Train.HeldOutSubset(held)}
	r.sets[key] = s
	return s
}

// cost is the work of measuring a candidate.
func (r *race) cost(c *candidate, share float64, part int) float64 {
	epochs, examples := c.resource(share)
	s := r.split(part, examples)
	w := c.fit(epochs, s.train.Len(), 0)
	if !c.encoded {
		w += c.frozen(epochs, s.train.Len()+s.held.Len())
	}
	return w
}

// measure trains a candidate on all parts but one and scores it on that.
func (r *race) measure(ctx context.Context, c *candidate, round int, share float64, part int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	epochs, examples := c.resource(share)
	set := r.split(part, examples)
	cfg := c.cfg
	cfg.Epochs, cfg.Keep, cfg.Patience, cfg.Out = epochs, "last", 0, ""
	warm := cfg.Start == "probe" && r.heads[part] != nil
	if warm {
		cfg.Start = "none"
	}
	s, err := r.session.With(cfg, set.train, set.held)
	if err != nil {
		return err
	}
	s.MeasureEach = true
	if warm {
		if err := s.StartFrom(r.heads[part]); err != nil {
			return err
		}
	}
	work := r.cost(c, share, part)
	r.spent += work
	result, err := s.Fit(ctx, nil, false)
	var diverged *run.DivergedError
	switch {
	case errors.As(err, &diverged):
		c.failed = "its loss left the numbers"
	case err != nil:
		return err
	default:
		if share != c.share {
			c.share, c.each = share, make([][]*task.Metrics, len(r.parts))
			c.scores, c.losses = make([][]float64, len(r.parts)), make([][]float64, len(r.parts))
		}
		c.each[part], c.scores[part], c.losses[part] = result.Each, scores(r.session.Task, result.Each), losses(result.Each)
		if !total(r.session.Task, result.Each).Finite() {
			c.failed = "its scores left the numbers"
		}
		if c.alone && c.rate == 1 {
			r.heads[part] = s.Head()
		}
	}
	c.encoded = true
	took := time.Since(began).Seconds()
	r.speed = work / max(took, 1e-3)
	t := Trial{Round: round, Thaw: c.thaw, LR: c.cfg.LR, Epochs: epochs, Share: float64(set.train.Len()) / float64(r.session.Train.Len()), Part: part, HeldOut: set.held.Len(), Failed: c.failed, Seconds: took}
	event := &report.TrialEvent{Rung: round, Thaw: c.thaw, LR: c.cfg.LR, Epochs: epochs, Folds: 1, Score: report.Number(math.NaN()), HeldOut: set.held.Len(), Seconds: took}
	if c.failed == "" {
		score := total(r.session.Task, c.each[part]).Metric
		t.Score, event.Score = &score, report.Number(score)
	}
	r.report.Trials = append(r.report.Trials, t)
	r.emit(event)
	return nil
}

// common is what two candidates have on the parts that both were measured on, by part in a and b.
func common(a, b [][]float64) (x, y []float64) {
	for part := range a {
		if part < len(b) && a[part] != nil && b[part] != nil {
			x, y = append(x, a[part]...), append(y, b[part]...)
		}
	}
	return x, y
}

// beats reports whether a is better than b by more than so many standard errors of the difference.
func beats(a, b *candidate, errors float64) bool {
	mean, deviation := paired(common(a.scores, b.scores))
	return mean > 0 && mean > errors*deviation
}

// worth reports whether the costlier a is to be preferred to b: where it is better by more than half the standard error of the difference, or
// not worse and its loss smaller by more than the error of that difference, which tells plans of one kind apart before their answers
// differ. Against a head alone its loss has to be clearly smaller, as a head is the more certain of its errors the longer it trained. A candidate that computes the
// same, but departs from the recipe, has to be clearly better: a short training flatters high rates.
func worth(a, b *candidate) bool {
	if a.full == b.full && a.alone == b.alone {
		return beats(a, b, clear)
	}
	if beats(a, b, margin) {
		return true
	}
	mean, _ := paired(common(a.scores, b.scores))
	gain, deviation := paired(common(b.losses, a.losses))
	errors := 1.
	if a.alone != b.alone {
		errors = clear
	}
	return mean >= 0 && gain > errors*deviation
}

// score is a candidate's metric on the parts that it and the reference were measured on.
func (r *race) score(c, reference *candidate) float64 {
	var each []*task.Metrics
	for part := range c.scores {
		if c.scores[part] != nil && part < len(reference.scores) && reference.scores[part] != nil {
			each = append(each, c.each[part]...)
		}
	}
	return total(r.session.Task, each).Metric
}

// simpler orders candidates: heads alone first, then by what a fit computes. Those that depart from the recipe come behind it.
func simpler(a, b *candidate) int {
	departs := func(c *candidate) int {
		if c.rate != 1 || c.warm {
			return 1
		}
		return 0
	}
	switch {
	case a.alone != b.alone && a.alone:
		return -1
	case a.alone != b.alone:
		return 1
	}
	return cmp.Or(sign(a.full-b.full), departs(a)-departs(b))
}

// pick goes from the simplest candidate to the one that computes most, and takes each that is worth more than what it has.
func pick(from []*candidate) *candidate {
	from = slices.Clone(from)
	slices.SortStableFunc(from, simpler)
	var choice *candidate
	for _, c := range from {
		if choice == nil || worth(c, choice) {
			choice = c
		}
	}
	return choice
}

// ladder lists the plans that are worth trying: the head, the last blocks in growing steps, what advice ranks among the first two, everything.
func (r *race) ladder(advice *choose.Advice) [][]string {
	plans := [][]string{{"head"}}
	for _, n := range choose.Steps(len(r.session.Net.Set.Blocks)) {
		plans = append(plans, []string{"head", fmt.Sprintf("last:%d", n)})
	}
	plans = append(plans, []string{"all"})
	if advice != nil {
		top := slices.DeleteFunc(slices.Clone(advice.Candidates), func(c choose.Candidate) bool { return c.Adapter != "" })
		slices.SortStableFunc(top, func(a, b choose.Candidate) int { return sign(b.Score - a.Score) })
		for _, c := range top[:min(2, len(top))] {
			if _, err := r.session.Net.Set.Select([]string{c.Thaw}); err == nil {
				plans = append(plans, strings.Split(c.Thaw, ","))
			}
		}
	}
	return plans
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
