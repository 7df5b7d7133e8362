// Package race chooses what to thaw by trying. A candidate is a plan at a learning rate. Candidates
// are trained for a few epochs on a part of the training examples and measured on the rest. The
// worse ones are dropped and the others train longer. The winner is trained on all examples. The
// user's validation examples are not used.
//
// Comes in: a prepared session and the user's configuration. Goes out: the configuration to fit,
// and a report of all trials. It must not know how a model is trained or how data are read.
//
// The method is successive halving (Jamieson and Talwalkar, Non-stochastic Best Arm Identification
// and Hyperparameter Optimization, AISTATS 2016) with epochs as the resource, as in Hyperband (Li
// et al., JMLR 2018). Within a round, candidates race over held-out folds: a candidate that is
// clearly worse than another on the folds so far is not measured on the next (Maron and Moore,
// Hoeffding Races, NIPS 1993). All share the cache of frozen activations. A deeper plan needs
// epochs to show what it can do, so it is compared with a head only after at least half of its
// epochs. Of the candidates within half a standard error of the best, the one that computes least
// wins, as in the one-standard-error rule (Breiman et al., Classification and Regression Trees,
// 1984, section 3.4.3).
//
// There is no race where it could say less than the advice that it starts from, see followAdvice.
//
// Decisions depend on counted work and on scores, never on time. The same data give the same choice
// on every machine, unless a limit of time is given.
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
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

const (
	minFolds      = 5    // folds of the training examples, at least
	maxHeldOut    = 2000 // held-out examples of a fold, at most
	enoughHeldOut = 250  // held-out examples after which a round measures no further fold
	minFoldSize   = 100  // examples of a fold below which it shows only large differences
	minExamples   = 10   // training examples, below which there is no race
	// standard errors by which a candidate is clearly better or worse than another
	clear  = 2
	likely = 1.5 // standard errors by which it is likely better or worse
	// limit on the race and the fit, as a share of the work of fitting every plan at three rates
	gridShare = 0.22
	minLimit  = 3e11 // lower bound of the limit, a few seconds of work
	// a plan that computes this share of what thawing everything does is not tried
	nearlyAll   = 0.85
	firstShare  = 0.125 // share of the epochs in the first round
	lastShare   = 0.6   // share of the epochs in the last round, at most
	minSteps    = 60    // steps in the first round, at least
	matureShare = 0.5   // share of its epochs from which a deeper plan is compared with the head
	margin      = 0.5   // standard errors by which a more costly plan must be better
)

// caps are the shares of the limit after which no further fold is measured, by round.
var caps = []float64{0.25, 0.5, 0.75}

// rates are the multiples of the recipe's learning rate that are tried.
var rates = []float64{1, 3, 1. / 3}

// race is the state of one race.
type race struct {
	session *run.Session  // on all training examples
	user    config.Config // as given by the user; 0 stands for not given
	emit    func(report.Event)
	began   time.Time

	folds [][]int    // of the training examples; each may be held out
	heads []run.Head // trained alone, by the fold that was held out; nil where not
	sets  map[string]*split
	limit float64 // on work, see gridShare; infinite where time is the limit
	spent float64
	grid  float64 // work of fitting plans at every learning rate
	speed float64 // work per second in the last trial

	field  []*candidate // all candidates, head first
	reason string       // of a choice without a race; "" after a race
	report *Report
}

// split is a held-out fold, and the examples to train on.
type split struct{ train, held *data.Dataset }

// newRace divides the training examples into folds, in which nearly equal ones are together.
func newRace(s *run.Session, user config.Config, near []int, emit func(report.Event)) (*race, error) {
	r := &race{session: s, user: user, emit: emit, began: time.Now(), sets: map[string]*split{}}
	n := s.Train.Len()
	all, err := s.Train.Folds(max(minFolds, (n+maxHeldOut-1)/maxHeldOut), s.Config.Seed, near)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if len(p) > 0 && len(p) < n {
			r.folds = append(r.folds, p)
		}
	}
	r.heads = make([]run.Head, len(r.folds))
	return r, nil
}

// candidate is a plan at a learning rate.
type candidate struct {
	thaw     []string
	rate     float64       // multiple of the recipe's learning rate
	warm     bool          // starts from a head that was trained alone, which the user did not ask for
	cfg      config.Config // of a fit to all training examples
	digest   string        // of the plan
	params   int
	work     run.Work
	headOnly bool    // a fresh head and nothing else
	fitWork  float64 // work of a fit to all training examples

	share   float64     // of the epochs, for which it was trained
	scores  [][]float64 // by fold, nil where not measured with that share
	losses  [][]float64 // of the examples, by fold likewise
	each    [][]*task.Metrics
	encoded bool   // its frozen activations are in the cache
	failed  string // why it cannot be chosen, "" where it can
}

// name is the plan as the report calls it.
func (c *candidate) name() string {
	if t := slices.DeleteFunc(slices.Clone(c.thaw), func(s string) bool { return s == "head" }); len(t) > 0 {
		return strings.Join(t, ",")
	}
	return "head"
}

// candidate makes a candidate. The learning rate is a multiple of the user's, or of the recipe's
// where the user gave none.
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
	c := &candidate{thaw: thaw, rate: rate, warm: warm, cfg: s.Config, headOnly: s.Net.Headed.Fresh && s.HeadOnly(), digest: s.Plans.Ever.Digest(), params: s.Plans.Ever.Thawed(s.Net.Set).Elements()}
	c.cfg.LR *= rate
	if err := s.Check(); err != nil {
		c.failed = err.Error() // such as an operator without a gradient after a thawed weight
		return c, nil
	}
	c.work, err = s.Work()
	c.fitWork = c.fit(c.cfg.Epochs, r.session.Train.Len(), r.session.Val.Len())
	return c, err
}

// fit is the work of training, without that of the frozen region.
func (c *candidate) fit(epochs, examples, held int) float64 {
	steps := (examples + c.cfg.Batch - 1) / c.cfg.Batch
	return float64(epochs) * (float64(examples)*c.work.Live + float64(held)*c.work.Live/3 + float64(steps)*c.work.Step)
}

// frozen is the work of the frozen region. Its activations are kept, unless every epoch has other
// examples.
func (c *candidate) frozen(epochs, examples int) float64 {
	if c.cfg.Augment != "none" && c.cfg.CacheVariants == 0 || c.cfg.Cache == "off" {
		return float64(epochs*examples) * c.work.Frozen
	}
	return float64(examples) * c.work.Frozen
}

// resource gives the epochs to train for a share of a candidate's epochs. Where that is less than
// one epoch, it is one epoch on a share of the examples.
func (c *candidate) resource(share float64) (epochs int, examples float64) {
	if c.headOnly {
		return c.cfg.Epochs, 1
	}
	want := share * float64(c.cfg.Epochs)
	if want < 1 {
		return 1, want
	}
	return int(math.Round(want)), 1
}

// split holds out a fold, and trains on a share of the other examples.
func (r *race) split(fold int, examples float64) *split {
	others := len(r.folds) - 1
	take := max(1, min(others, int(math.Round(examples*float64(others)))))
	key := fmt.Sprint(fold, take)
	if s := r.sets[key]; s != nil {
		return s
	}
	var in []int
	for k := range take {
		in = append(in, r.folds[(fold+1+k)%len(r.folds)]...)
	}
	slices.Sort(in)
	held := r.folds[fold]
	if len(held) > maxHeldOut {
		held = held[:maxHeldOut]
	}
	s := &split{r.session.Train.Subset(in), r.session.Train.HeldOutSubset(held)}
	r.sets[key] = s
	return s
}

// cost is the work of measuring a candidate.
func (r *race) cost(c *candidate, share float64, fold int) float64 {
	epochs, examples := c.resource(share)
	s := r.split(fold, examples)
	w := c.fit(epochs, s.train.Len(), 0)
	if !c.encoded {
		w += c.frozen(epochs, s.train.Len()+s.held.Len())
	}
	return w
}

// measure trains a candidate with one fold held out, and scores it on that fold.
func (r *race) measure(ctx context.Context, c *candidate, round int, share float64, fold int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	began := time.Now()
	epochs, examples := c.resource(share)
	set := r.split(fold, examples)
	cfg := c.cfg
	cfg.Epochs, cfg.Keep, cfg.Patience, cfg.Out = epochs, "last", 0, ""
	warm := cfg.Start == "probe" && r.heads[fold] != nil
	if warm {
		cfg.Start = "none"
	}
	s, err := r.session.With(cfg, set.train, set.held)
	if err != nil {
		return err
	}
	s.MeasureEach = true
	if warm {
		if err := s.StartFrom(r.heads[fold]); err != nil {
			return err
		}
	}
	work := r.cost(c, share, fold)
	r.spent += work
	result, err := s.Fit(ctx, nil, false)
	var diverged *run.DivergedError
	switch {
	case errors.As(err, &diverged):
		c.failed = "its loss became infinite or NaN"
	case err != nil:
		return err
	default:
		if share != c.share {
			c.share, c.each = share, make([][]*task.Metrics, len(r.folds))
			c.scores, c.losses = make([][]float64, len(r.folds)), make([][]float64, len(r.folds))
		}
		c.each[fold], c.scores[fold], c.losses[fold] = result.Each, scores(r.session.Task, result.Each), losses(result.Each)
		if !total(r.session.Task, result.Each).Finite() {
			c.failed = "its scores became infinite or NaN"
		}
		if c.headOnly && c.rate == 1 {
			r.heads[fold] = s.Head()
		}
	}
	c.encoded = true
	took := time.Since(began).Seconds()
	r.speed = work / max(took, 1e-3)
	t := Trial{Round: round, Thaw: c.thaw, LR: c.cfg.LR, Epochs: epochs, Share: float64(set.train.Len()) / float64(r.session.Train.Len()), Part: fold, HeldOut: set.held.Len(), Failed: c.failed, Seconds: took}
	event := &report.TrialEvent{Rung: round + 1, Thaw: c.thaw, LR: c.cfg.LR, Epochs: epochs, Folds: 1, Score: report.Number(math.NaN()), HeldOut: set.held.Len(), Seconds: took}
	if c.failed == "" {
		score := total(r.session.Task, c.each[fold]).Metric
		t.Score, event.Score = &score, report.Number(score)
	}
	r.report.Trials = append(r.report.Trials, t)
	r.emit(event)
	return nil
}

// common gives the values of two candidates on the folds that both were measured on.
func common(a, b [][]float64) (x, y []float64) {
	for fold := range a {
		if fold < len(b) && a[fold] != nil && b[fold] != nil {
			x, y = append(x, a[fold]...), append(y, b[fold]...)
		}
	}
	return x, y
}

// beats reports whether a is better than b by more than the given number of standard errors of the
// difference.
func beats(a, b *candidate, errors float64) bool {
	mean, deviation := paired(common(a.scores, b.scores))
	return mean > 0 && mean > errors*deviation
}

// worth reports whether a, which computes more than b, is worth its cost:
//
//   - Its score is better by more than half the standard error of the difference.
//   - Or its score is not worse, and its loss is smaller by more than the standard error of that
//     difference. The loss tells plans apart before their answers differ. Against a head alone the
//     loss must be clearly smaller, since the longer a head trains, the more confident are its
//     errors.
//
// A candidate that computes the same as b but departs from the recipe must be clearly better, since
// a short training favours high learning rates.
func worth(a, b *candidate) bool {
	if a.fitWork == b.fitWork && a.headOnly == b.headOnly {
		return beats(a, b, clear)
	}
	if beats(a, b, margin) {
		return true
	}
	mean, _ := paired(common(a.scores, b.scores))
	gain, deviation := paired(common(b.losses, a.losses))
	errors := 1.
	if a.headOnly != b.headOnly {
		errors = clear
	}
	return mean >= 0 && gain > errors*deviation
}

// score is the metric of a candidate on the folds that both it and the reference were measured on.
func (r *race) score(c, reference *candidate) float64 {
	var each []*task.Metrics
	for fold := range c.scores {
		if c.scores[fold] != nil && fold < len(reference.scores) && reference.scores[fold] != nil {
			each = append(each, c.each[fold]...)
		}
	}
	return total(r.session.Task, each).Metric
}

// simpler orders candidates: heads alone first, then by the work of a fit. Of equal work, those
// that follow the recipe come first.
func simpler(a, b *candidate) int {
	departs := func(c *candidate) int {
		if c.rate != 1 || c.warm {
			return 1
		}
		return 0
	}
	switch {
	case a.headOnly != b.headOnly && a.headOnly:
		return -1
	case a.headOnly != b.headOnly:
		return 1
	}
	return cmp.Or(sign(a.fitWork-b.fitWork), departs(a)-departs(b))
}

// pick goes through the candidates from the simplest to the most costly. It takes each that is
// worth more than the choice so far.
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

// ladder lists the plans that are worth trying: the head, the last blocks in growing steps, the two
// plans that advice scores highest, and everything.
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
