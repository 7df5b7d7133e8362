package auto

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// File is the name of the report in a run folder.
const File = "race.json"

// Report is the outcome of the search and all of its trials. Its JSON form is race.json, and "auto"
// in what fit --json prints.
type Report struct {
	Thaw    []string `json:"thaw"`
	Adapter string   `json:"adapter,omitempty"`
	LR      float64  `json:"lr"`
	Epochs  int      `json:"epochs"`
	Start   string   `json:"start"`         // none, or probe: from a head that was trained alone
	Augment string   `json:"augment"`       // how its training examples change at random, or none
	Weights string   `json:"class_weights"` // none, or balanced
	Text    string   `json:"text"`          // the choice, in one line
	Why     string   `json:"why"`           // the reason, in sentences
	Metric  string   `json:"metric"`

	Advised    string      `json:"advised,omitempty"` // what advise recommends, without trials
	Candidates []Candidate `json:"candidates"`
	Trials     []Trial     `json:"trials"`

	Parts    int     `json:"parts"`    // of the training examples
	Examples int     `json:"examples"` // training examples
	Work     float64 `json:"work"`     // floating-point operations of the search, counted
	// on the search and the fit; absent where time is the limit
	Limit   float64 `json:"work_limit,omitempty"`
	Grid    float64 `json:"grid_work"` // of fitting every plan at three learning rates
	Seconds float64 `json:"seconds"`   // that the choice took
}

// Candidate is a choice with what was measured of it, and what is expected of it.
type Candidate struct {
	Thaw    []string `json:"thaw"`
	Adapter string   `json:"adapter,omitempty"`
	Start   string   `json:"start"`
	LR      float64  `json:"lr"`
	Params  int      `json:"params_thawed"`
	Share   float64  `json:"share"`    // of its epochs, in its longest trial
	Score   *float64 `json:"score"`    // the metric over the parts measured there; larger is better
	Error   *float64 `json:"error"`    // standard error of that
	HeldOut int      `json:"held_out"` // examples in those parts
	Behind  *float64 `json:"behind"`   // expected badness over that of the choice, as a logarithm
	Within  *float64 `json:"within"`   // standard deviation of that
	Work    float64  `json:"work"`     // of a fit to all training examples
	Failed  string   `json:"failed,omitempty"`
}

// Trial is a fit of a candidate with one part held out, from where it stood before.
type Trial struct {
	Round   int      `json:"round"` // number of the trial, from 1
	Thaw    []string `json:"thaw"`
	Adapter string   `json:"adapter,omitempty"`
	Start   string   `json:"start"`
	LR      float64  `json:"lr"`
	Epochs  int      `json:"epochs"` // trained so far
	Share   float64  `json:"share"`  // of the training examples, on which it was trained
	Part    int      `json:"part"`   // that was held out
	HeldOut int      `json:"held_out"`
	Score   *float64 `json:"score"` // the metric; larger is better
	Seconds float64  `json:"seconds"`
	Failed  string   `json:"failed,omitempty"`
}

// tell reports a trial.
func (a *auto) tell(s search.Step, m *measured, took float64) {
	c, p := a.choices[s.Choice], a.parts[s.Part]
	epochs := int(math.Ceil(s.Share * float64(c.cfg.Epochs)))
	t := Trial{Round: len(a.report.Trials) + 1, Thaw: c.cfg.Thaw, Adapter: c.cfg.Adapter, Start: c.cfg.Start, LR: c.cfg.LR, Epochs: epochs,
		Share: float64(p.trained) / float64(a.report.Examples), Part: s.Part, HeldOut: p.heldOut, Failed: m.failed, Seconds: took}
	e := &report.TrialEvent{Rung: t.Round, Thaw: c.cfg.Thaw, LR: c.cfg.LR, Epochs: epochs, Folds: 1, Score: report.Number(math.NaN()), HeldOut: p.heldOut, Seconds: took}
	if m.failed == "" {
		t.Score, e.Score = &m.metric, report.Number(m.metric)
	}
	a.report.Trials = append(a.report.Trials, t)
	a.emit(e)
}

// conclude fills in the outcome.
func (a *auto) conclude(won int) {
	r, w := a.report, a.choices[won]
	r.Thaw, r.Adapter, r.LR, r.Epochs, r.Start, r.Augment, r.Weights = w.cfg.Thaw, w.cfg.Adapter, w.cfg.LR, w.cfg.Epochs, w.cfg.Start, w.cfg.Augment, w.cfg.ClassWeights
	r.Parts, r.Work, r.Grid = len(a.parts), a.spent, a.grid
	if !math.IsInf(a.limit, 0) {
		r.Limit = a.limit
	}
	for i, c := range a.choices {
		e := Candidate{Thaw: c.cfg.Thaw, Adapter: c.cfg.Adapter, Start: c.cfg.Start, LR: c.cfg.LR, Params: c.params, Work: c.fitWork, Failed: c.failed}
		if share, score, deviation, held := a.shown(i); held > 0 {
			e.Share, e.HeldOut, e.Score, e.Error = share, held, task.Finite(score), task.Finite(deviation)
		}
		if a.belief != nil && c.failed == "" {
			mean, deviation := a.belief.Difference(i, won)
			e.Behind, e.Within = task.Finite(mean), task.Finite(deviation)
		}
		r.Candidates = append(r.Candidates, e)
	}
	r.Text, r.Why = a.words(won)
}

// shown is what a choice reached at the largest share that it trained to: its metric over all parts
// there with the standard error, and the number of examples.
func (a *auto) shown(c int) (share, score, deviation float64, held int) {
	for _, t := range a.trials {
		if t.choice == c {
			share = math.Max(share, t.share)
		}
	}
	var sum, squares float64
	for _, t := range a.trials {
		if t.choice == c && t.share == share {
			n := float64(t.held)
			score, held = score+n*t.metric, held+t.held
			sum, squares = sum+n*t.metric, squares+n*t.metric*t.metric
		}
	}
	if held == 0 {
		return 0, 0, math.NaN(), 0
	}
	score /= float64(held)
	deviation = math.NaN()
	if a.classes() {
		deviation = math.Sqrt(score * (1 - score) / float64(held))
	}
	return share, score, deviation, held
}

func (a *auto) classes() bool { return task.KindOf(a.session.Task).Answers.Classes }

// words gives the choice in a line, and the reason in sentences.
func (a *auto) words(won int) (text, why string) {
	w := a.choices[won]
	verb := "thaw " + w.name
	if w.cfg.Adapter != "" {
		verb = "train the head and adapters " + w.cfg.Adapter
	}
	text = fmt.Sprintf("%s at %.3g", verb, w.cfg.LR)
	share, score, _, held := a.shown(won)
	if held == 0 {
		return text, a.reason
	}
	text += fmt.Sprintf(": %s on %d held-out examples", a.metric(score), held)
	if share < 1 {
		text += fmt.Sprintf(" after %.0f%% of its epochs", 100*share)
	}
	other := a.rival(won)
	if other < 0 {
		return text, cmp.Or(a.reason, "Nothing else could be measured.")
	}
	o := a.choices[other]
	_, theirs, _, seen := a.shown(other)
	var s []string
	if a.reason != "" {
		s = append(s, a.reason)
	}
	if seen > 0 {
		text += fmt.Sprintf(", against %s on %d for %s", a.metric(theirs), seen, o.title())
	}
	mean, deviation := a.belief.Difference(other, won)
	if o.head != w.head {
		s = append(s, fmt.Sprintf("Of all trials, %s is expected to have %s of the loss of %s on new examples, and to be the better of the two with a probability of %s.",
			w.title(), percent(math.Exp(-mean)), o.title(), certain(mean, deviation)))
	}
	if next := a.second(won); next >= 0 && next != other {
		mean, deviation := a.belief.Difference(next, won)
		n := a.choices[next]
		s = append(s, fmt.Sprintf("The next best is %s at %.3g; the choice is better with a probability of %s.", n.title(), n.cfg.LR, certain(mean, deviation)))
	}
	if a.report.Examples < fewExamples {
		s = append(s, fmt.Sprintf("With %d training examples the parts that are held out are small: the score of the choice is known within %.0f points either way.", a.report.Examples, 200*math.Sqrt(math.Max(score*(1-score), 0.01)/float64(held))))
	}
	return text, strings.Join(s, " ")
}

// fewExamples is the number of training examples below which the width of what is known is said.
const fewExamples = 100

func (c *choice) title() string {
	switch {
	case c.head:
		return "the head alone"
	case c.cfg.Adapter != "":
		return "adapters " + c.cfg.Adapter
	case c.probed:
		return "thawing " + c.name + " from a trained head"
	}
	return "thawing " + c.name
}

// rival is what the choice is compared with: the head alone, or for the head the deeper choice that
// is expected to be best of those that were tried.
func (a *auto) rival(won int) int {
	if !a.choices[won].head {
		for i, c := range a.choices {
			if c.head && c.rate == 0 {
				return i
			}
		}
	}
	return a.first(func(i int) bool { return i != won && !a.choices[i].head })
}

// second is the tried choice that is expected to be best but for one.
func (a *auto) second(won int) int { return a.first(func(i int) bool { return i != won }) }

func (a *auto) first(which func(i int) bool) int {
	return a.belief.Best(0, func(i int) bool {
		part, _ := a.last(i)
		return part >= 0 && a.choices[i].failed == "" && which(i)
	})
}

func percent(x float64) string { return fmt.Sprintf("%.0f%%", 100*x) }

// certain is the probability that a difference of that mean and deviation is above 0.
func certain(mean, deviation float64) string {
	if deviation == 0 {
		return "50%"
	}
	p := 0.5 * math.Erfc(-mean/deviation/math.Sqrt2)
	return fmt.Sprintf("%.0f%%", 100*math.Min(0.99, p))
}

// metric formats a score in the unit of its task.
func (a *auto) metric(score float64) string {
	kind := task.KindOf(a.session.Task)
	text := cmp.Or(kind.Metric.Text, kind.Metric.Name)
	switch {
	case kind.Answers.Classes:
		return fmt.Sprintf("%.1f%%", 100*score)
	case kind.Metric.Lower:
		return fmt.Sprintf("%s %.4g", text, -score)
	}
	return fmt.Sprintf("a %s of %.4f", text, score)
}
