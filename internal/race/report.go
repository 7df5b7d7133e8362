package race

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// File is the name of the report in a run folder.
const File = "race.json"

// Report is the outcome of a race and all of its trials. Its JSON form is race.json, and "auto" in
// what fit --json prints.
type Report struct {
	Thaw   []string `json:"thaw"`
	LR     float64  `json:"lr"`
	Epochs int      `json:"epochs"`
	Start  string   `json:"start"` // none, or probe: from a head that was trained alone
	Text   string   `json:"text"`  // the choice, in one line
	Why    string   `json:"why"`   // the reason, in sentences
	Metric string   `json:"metric"`

	Advised    string      `json:"advised,omitempty"` // what advise recommends, without trials
	Candidates []Candidate `json:"candidates"`
	Trials     []Trial     `json:"trials"`

	Parts    int     `json:"parts"`    // folds of the training examples
	Examples int     `json:"examples"` // training examples
	Work     float64 `json:"work"`     // floating-point operations of the race, counted
	// on the race and the fit; absent where time is the limit
	Limit   float64 `json:"work_limit,omitempty"`
	Grid    float64 `json:"grid_work"` // of fitting every plan at three learning rates
	Seconds float64 `json:"seconds"`   // that the choice took
}

// Candidate is a plan at a learning rate, with its last measurements.
type Candidate struct {
	Thaw    []string `json:"thaw"`
	LR      float64  `json:"lr"`
	Params  int      `json:"params_thawed"`
	Share   float64  `json:"share"`    // of its epochs, in its last round
	Score   *float64 `json:"score"`    // the metric over the folds of that round; larger is better
	Error   *float64 `json:"error"`    // standard error of that
	HeldOut int      `json:"held_out"` // examples in those folds
	Work    float64  `json:"work"`     // of a fit to all training examples
	Failed  string   `json:"failed,omitempty"`
}

// Trial is one training of a candidate with one fold held out.
type Trial struct {
	Round   int      `json:"round"`
	Thaw    []string `json:"thaw"`
	LR      float64  `json:"lr"`
	Epochs  int      `json:"epochs"`
	Share   float64  `json:"share"` // of the training examples, on which it was trained
	Part    int      `json:"part"`  // the fold that was held out
	HeldOut int      `json:"held_out"`
	Score   *float64 `json:"score"` // the metric; larger is better
	Seconds float64  `json:"seconds"`
	Failed  string   `json:"failed,omitempty"`
}

// conclude fills in the outcome.
func (r *race) conclude(winner *candidate) {
	p := r.report
	p.Thaw, p.LR, p.Epochs, p.Parts, p.Examples = winner.thaw, winner.cfg.LR, winner.cfg.Epochs, len(r.folds), r.session.Train.Len()
	p.Work, p.Grid, p.Start = r.spent, r.grid, winner.cfg.Start
	if !math.IsInf(r.limit, 0) {
		p.Limit = r.limit
	}
	for _, c := range r.field {
		e := Candidate{Thaw: c.thaw, LR: c.cfg.LR, Params: c.params, Share: c.share, Work: c.fitWork, Failed: c.failed}
		if len(c.scores) > 0 {
			var all []float64
			for fold, s := range c.scores {
				all = append(all, s...)
				e.HeldOut += len(c.each[fold])
			}
			score := r.score(c, c)
			_, deviation := paired(all, make([]float64, len(all)))
			e.Score, e.Error = task.Finite(score), task.Finite(deviation)
		}
		p.Candidates = append(p.Candidates, e)
	}
	p.Text, p.Why = r.words(winner)
	p.Why = strings.Join(append([]string{p.Why}, r.passedOver(winner)...), " ")
}

// words gives the choice in a line, and the reason in sentences.
func (r *race) words(winner *candidate) (text, why string) {
	other := r.rival(winner)
	text = fmt.Sprintf("thaw %s at %.3g", winner.name(), winner.cfg.LR)
	switch {
	case r.reason != "" && winner.headOnly:
		return text + fmt.Sprintf(": %s on %d held-out examples", r.metric(r.score(winner, winner)), r.heldOut(winner, winner)), r.reason
	case r.reason != "" && winner.scores == nil:
		head := r.field[0]
		return text + fmt.Sprintf(": the head alone reaches %s on %d held-out examples", r.metric(r.score(head, head)), r.heldOut(head, head)), r.reason
	case other == nil && winner.headOnly && r.headSuffices(winner):
		text += fmt.Sprintf(": %s on %d held-out examples", r.metric(r.score(winner, winner)), r.heldOut(winner, winner))
		return text, "The head alone makes so few errors that not even a plan without any could be told from it on these examples: nothing deeper was tried."
	case other == nil:
		return text, "Nothing else could be measured."
	}
	x, y := common(winner.scores, other.scores)
	mean, deviation := paired(x, y)
	text += fmt.Sprintf(": %s against %s for %s on %d held-out examples", r.metric(r.score(winner, other)), r.metric(r.score(other, winner)), r.describe(winner, other), r.heldOut(winner, other))
	if r.reason != "" {
		return text, r.reason
	}
	var s []string
	switch {
	case winner.headOnly && mean >= 0:
		s = append(s, "No deeper plan is better than the head alone: the frozen trunk suits the task, and more trained weights would only fit accidents of the examples.")
	case winner.headOnly:
		s = append(s, fmt.Sprintf("The best deeper plan is %s better, which is within the error of %s that the difference has: the head alone costs less.", r.points(-mean), r.points(deviation)))
	case other.headOnly:
		why := "the frozen trunk falls short"
		if mean <= clear*deviation {
			why = "likely, not certain"
		}
		s = append(s, fmt.Sprintf("Thawing %s is %s better than the head alone, with an error of %s: %s.", winner.name(), r.points(mean), r.points(deviation), why))
	}
	for _, c := range r.field {
		if c == winner || c.headOnly || c.name() == winner.name() || simpler(c, winner) <= 0 || c.share != winner.share {
			continue
		}
		if x, y := common(c.scores, winner.scores); len(x) > 0 {
			mean, deviation := paired(x, y)
			if mean > deviation {
				continue
			}
			verb := "gains"
			if mean < 0 {
				verb = "loses"
			}
			s = append(s, fmt.Sprintf("Thawing %s, which costs more, %s %s with an error of %s.", c.name(), verb, r.points(math.Abs(mean)), r.points(deviation)))
		}
	}
	return text, strings.Join(s, " ")
}

// passedOver says why the plan was not taken at a rate, or from a start, that scored more.
func (r *race) passedOver(winner *candidate) []string {
	var s []string
	for _, c := range r.field {
		if c == winner || c.failed != "" || c.name() != winner.name() || c.share != winner.share {
			continue
		}
		x, y := common(c.scores, winner.scores)
		mean, deviation := paired(x, y)
		if len(x) == 0 || mean <= 0 {
			continue
		}
		how := fmt.Sprintf("At a rate of %.3g", c.cfg.LR)
		if c.warm != winner.warm {
			how = "From a head that was trained alone"
		}
		s = append(s, fmt.Sprintf("%s it scored %s more, with an error of %s: less than the %d errors that are asked for to leave the usual one.", how, r.points(mean), r.points(deviation), clear))
	}
	return s
}

// rival is what the winner is compared with: the head alone, or, for the head, the best deeper plan
// of the last round.
func (r *race) rival(winner *candidate) *candidate {
	if !winner.headOnly {
		var heads []*candidate
		for _, c := range r.field {
			if x, _ := common(c.scores, winner.scores); c.headOnly && c.failed == "" && len(x) > 0 {
				heads = append(heads, c)
			}
		}
		if head := pick(heads); head != nil {
			return head
		}
	}
	var best *candidate
	for _, c := range r.field {
		x, _ := common(c.scores, winner.scores)
		if c == winner || c.headOnly == winner.headOnly || len(x) == 0 || c.failed != "" || winner.headOnly && best != nil && c.share < best.share {
			continue
		}
		if best == nil || winner.headOnly && c.share > best.share || r.score(c, winner) > r.score(best, winner) {
			best = c
		}
	}
	return best
}

func (r *race) describe(winner, other *candidate) string {
	if winner.headOnly {
		return other.name() + ", the best deeper plan,"
	}
	return "the head alone"
}

func (r *race) heldOut(a, b *candidate) int {
	n := 0
	for fold := range a.scores {
		if a.scores[fold] != nil && fold < len(b.scores) && b.scores[fold] != nil {
			n += len(a.each[fold])
		}
	}
	return n
}

// metric formats a score in the unit of its task.
func (r *race) metric(score float64) string {
	kind := task.KindOf(r.session.Task)
	text := cmp.Or(kind.Metric.Text, kind.Metric.Name)
	switch {
	case kind.Answers.Classes:
		return fmt.Sprintf("%.1f%%", 100*score)
	case kind.Metric.Lower:
		return fmt.Sprintf("%s %.4g", text, -score)
	}
	return fmt.Sprintf("a %s of %.4f", text, score)
}

// points formats a difference of scores.
func (r *race) points(d float64) string {
	if task.KindOf(r.session.Task).Answers.Classes {
		return fmt.Sprintf("%.1f points", 100*d)
	}
	return fmt.Sprintf("%.3g", d)
}
