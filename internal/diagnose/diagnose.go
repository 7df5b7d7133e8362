package diagnose

import (
	"fmt"
	"math"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Symptoms are the inputs of a diagnosis.
type Symptoms struct {
	History     []report.EpochEvent
	Kept        int     // epoch of the written weights
	Altered     bool    // training accuracy was measured on augmented or mixed examples
	Augment     bool    // the training examples were augmented
	Augmentable bool    // examples of this kind can be augmented
	Calibrated  bool    // a temperature was chosen on held-out examples
	Before      float64 // validation loss of the pretrained model, 0 where it was not measured
	Trained     Depth
}

// Depth says how much of the model a fit trained.
type Depth struct {
	Fresh   bool     // a new head trained
	Blocks  []string // of the model, from the input to the head
	Thawed  int      // blocks from the head down to the lowest one with a thawed weight
	Trunk   bool     // a pretrained weight below the head trained
	Parts   bool     // some weights from that block on stayed frozen, wholly or in part
	Thaw    string   // option thaw as given
	Share   float64  // parameters that trained, as a fraction of all
	Adapter string   // the adapter that trained, with or without blocks
}

// Thresholds of a diagnosis, as fractions of the examples unless stated otherwise. docs/choosing.md
// states them.
const (
	unlearnt = 0.03 // relevant training error
	matters  = 0.05 // relevant gap
	certain  = 2.0  // standard errors from which a difference is not chance
	falling  = 0.10 // fraction of the loss: a gain over half a run that suggests further gains
	few      = 30   // too few validation examples to judge
	settled  = 4    // epochs after which a fit may have converged
	astray   = 2.0  // times the loss of guessing, from which a rate is too high if nothing is learned
)

// Fit judges a fit by its numbers.
func Fit(s Symptoms) *report.Diagnosis {
	if len(s.History) == 0 || s.Kept < 0 || s.History[s.Kept].Val == nil {
		return &report.Diagnosis{Verdict: report.Unclear, Why: "no epoch was finished"}
	}
	kept := &s.History[s.Kept]
	if m := kept.Val; m.Named() != nil {
		return unbounded(m, s.Before)
	}
	if d := s.astray(kept); d != nil {
		return d
	}
	d := s.judge(kept)
	d.Why += s.mistrust(kept.Val)
	return d
}

// aboveGuess returns the loss of guessing if a classifier's validation loss is above it, as printed.
func aboveGuess(m *task.Metrics) (guess float64, above bool) {
	guess, ok := m.Guess()
	return guess, ok && m.Loss() > guess && fmt.Sprintf("%.4g", m.Loss()) != fmt.Sprintf("%.4g", guess)
}

// mistrust names a classifier's loss above that of guessing: its answers may be right, and their
// probabilities are not.
func (s *Symptoms) mistrust(m *task.Metrics) string {
	guess, above := aboveGuess(m)
	if !above {
		return ""
	}
	mend := "a lower option lr, or option calibrate on"
	if s.Calibrated {
		mend = "a lower option lr"
	}
	return fmt.Sprintf("; its validation loss of %.4g is above the %.4g of guessing: the probabilities mislead (%s)", m.Loss(), guess, mend)
}

// astray judges a classifier whose rate was too high: its validation loss is at least twice that of
// guessing, and it learned nothing. It returns nil for any other.
func (s *Symptoms) astray(e *report.EpochEvent) *report.Diagnosis {
	m := e.Val
	guess, ok := m.Guess()
	if !ok || m.Examples < few || m.Loss() < astray*guess || float64(e.TrainLoss) < guess && !noBetter(m) {
		return nil
	}
	return &report.Diagnosis{Verdict: report.Underfitting, Advice: "a lower option lr",
		Why: fmt.Sprintf("%s reaches %s, with a validation loss of %.4g where guessing has %.4g: the learning rate is too high", s.Trained.subject(), s.numbers(e), m.Loss(), guess)}
}

// numbers are the accuracies of an epoch, as a part of a sentence.
func (s *Symptoms) numbers(e *report.EpochEvent) string {
	return fmt.Sprintf("%s on its training examples while it trained (the mean of epoch %d of %d), and %s ± %.1f on %s validation examples",
		report.Percentage(float64(e.TrainAccuracy)), s.Kept+1, len(s.History), report.Percentage(e.Val.Accuracy()), 100*standardError(e.Val), report.Count(e.Val.Examples))
}

// standardError is that of a validation accuracy. Even an accuracy of 1 is uncertain by half an
// example.
func standardError(m *task.Metrics) float64 {
	n, v := float64(max(1, m.Examples)), m.Accuracy()
	return math.Max(math.Sqrt(v*(1-v)/n), 0.5/n)
}

// noBetter reports whether a validation accuracy is within its error of always answering the most
// frequent class, or below.
func noBetter(m *task.Metrics) bool {
	majority := majorityShare(m)
	return m.Accuracy() < majority+certain*math.Sqrt(majority*(1-majority)/float64(max(1, m.Examples)))
}

// judge compares the accuracy t on training examples with the accuracy v on validation examples, both
// of the epoch whose weights are written. t is the mean over that epoch while the weights changed.
//
// A model that is no better on validation examples than the most frequent class has learned nothing,
// or its training examples by heart. If otherwise the training examples already account for at least
// a third of the error, 2(1-t) > t-v, and for at least 3 points, the model underfits. More examples of
// the same kind would not help; more trained weights may. In the end a model knows its training
// examples at least as well as new ones, so t counts as at least v here; in 1 to 4 epochs with v above
// t it says nothing. If the gap t-v is at least 5 points and at least 2 of its standard errors, the
// model overfits. Anything else is fine. It is unclear if there are too few examples, or if the
// training examples were altered.
func (s *Symptoms) judge(kept *report.EpochEvent) *report.Diagnosis {
	n, v, t := kept.Val.Examples, kept.Val.Accuracy(), float64(kept.TrainAccuracy)
	se, numbers := standardError(kept.Val), s.numbers(kept)
	gap, learnt := t-v, math.Max(t, v)
	if n < few {
		return &report.Diagnosis{Verdict: report.Unclear, Why: fmt.Sprintf("%s: too few to tell", numbers), Advice: "give more validation examples with option val"}
	}
	_, above := aboveGuess(kept.Val)
	switch {
	case noBetter(kept.Val) && t < majorityShare(kept.Val)+matters:
		return &report.Diagnosis{Verdict: report.Underfitting, Why: fmt.Sprintf("%s reaches %s, no better than always answering the most frequent class (%s)",
			s.Trained.subject(), numbers, report.Percentage(majorityShare(kept.Val))), Advice: "look at the labels and the preprocessing first; then try " + s.Trained.harder(above)}
	case noBetter(kept.Val):
		return &report.Diagnosis{Verdict: report.Overfitting, Why: fmt.Sprintf("%s reaches %s: what it learned of them is no better on new examples than always answering the most frequent class (%s)",
			s.Trained.subject(), numbers, report.Percentage(majorityShare(kept.Val))), Advice: "look at the labels first, and whether the validation examples are like those of training; then " + s.shallower()}
	case s.Altered && t < v+certain*se:
		return &report.Diagnosis{Verdict: report.Unclear, Why: numbers + ", where the training examples were augmented or mixed: their accuracy is no measure of fit"}
	case unlearned(learnt, gap) && !s.Altered:
		return s.underfits(numbers, v, t, above)
	case counts(gap, se):
		d := &report.Diagnosis{Verdict: report.Overfitting, Why: fmt.Sprintf("%s reaches %s: %s", s.Trained.subject(), numbers, gapText(gap, se)), Advice: s.shallower()}
		if rise := s.lossRise(); rise != "" {
			d.Why += "; " + rise
		}
		return d
	}
	how := gapText(gap, se)
	if gap < 0 {
		how = "better on new examples"
	}
	return &report.Diagnosis{Verdict: report.Fine, Why: numbers + ": " + how}
}

// underfits judges a fit most of whose error is there on the training examples, unless later epochs
// overfit or there were too few for that accuracy to say anything.
func (s *Symptoms) underfits(numbers string, v, t float64, above bool) *report.Diagnosis {
	subject := s.Trained.subject()
	last := &s.History[len(s.History)-1]
	lastT := float64(last.TrainAccuracy)
	later := lastT - last.Val.Accuracy()
	switch {
	case counts(later, standardError(last.Val)) && !unlearned(lastT, later): // only after the kept epoch
		d := &report.Diagnosis{Verdict: report.Overfitting, Advice: s.shallower(), Why: fmt.Sprintf("%s reaches %s; by epoch %d it came to %s and %s: %s", subject, numbers, len(s.History),
			report.Percentage(lastT), report.Percentage(last.Val.Accuracy()), gapText(later, standardError(last.Val)))}
		if rise := s.lossRise(); rise != "" {
			d.Why += "; " + rise
		}
		return d
	case v > t && s.Kept < settled:
		return &report.Diagnosis{Verdict: report.Unclear, Why: fmt.Sprintf("%s reaches %s: too few epochs for the mean of one to say what it knows at its end", subject, numbers),
			Advice: fmt.Sprintf("give it more epochs (option epochs %d)", max(2*len(s.History), settled+1))}
	}
	learnt := math.Max(t, v)
	d := &report.Diagnosis{Verdict: report.Underfitting, Why: fmt.Sprintf("%s reaches %s: %s of the validation error is there on the training examples already (underfitting: from a third of it and %.0f points on), so %s",
		subject, numbers, portion((1-learnt)/(1-v)), 100*unlearnt, s.Trained.culprit()), Advice: s.Trained.deeper(above)}
	if s.learns() {
		d.Why += "; " + s.unfinished()
		d.Advice = fmt.Sprintf("give it more epochs (option epochs %d); if that does not do, %s", 2*len(s.History), d.Advice)
	}
	return d
}

// unlearned is the rule by which an accuracy on training examples, with the gap to validation
// examples, is underfitting.
func unlearned(t, gap float64) bool { return 1-t > unlearnt && 2*(1-t) > gap }

// counts is the rule by which a gap between training and validation examples is overfitting.
func counts(gap, se float64) bool { return gap >= matters && gap >= certain*se }

// gapText says how large a gap is, by the numbers that counts looks at.
func gapText(gap, se float64) string {
	s := fmt.Sprintf("a gap of %.1f points, %.1f times its standard error", 100*gap, gap/se)
	if !counts(gap, se) {
		s += fmt.Sprintf(" (overfitting: from %.0f points and %.0f times on)", 100*matters, certain)
	}
	return s
}

// unbounded judges a task whose metric has no best value that training could reach, by the loss of
// guessing if there is one. before is the loss of the pretrained model, 0 for none.
func unbounded(m *task.Metrics, before float64) *report.Diagnosis {
	guess, ok := m.Guess()
	name := report.MetricText(m.Named(), 0)
	switch {
	case !ok:
		return &report.Diagnosis{Verdict: report.Unclear, Why: fmt.Sprintf("%s has no bound that a model could be held against", m.Named().Name)}
	case before > 0 && m.Loss() > before:
		return &report.Diagnosis{Verdict: report.Underfitting, Why: fmt.Sprintf("%s on %s validation examples, with a loss of %.4g: worse than before training, when it was %.4g", name, report.Count(m.Examples), m.Loss(), before), Advice: "a lower option lr"}
	case m.Loss() >= guess:
		d := &report.Diagnosis{Verdict: report.Underfitting, Why: fmt.Sprintf("%s on %s validation examples, with a loss of %.4g: no better than guessing, whose loss is %.4g", name, report.Count(m.Examples), m.Loss(), guess),
			Advice: "look at the labels and the preprocessing first; then try another learning rate (option lr)"}
		if m.Loss() >= astray*guess {
			d.Advice = "a lower option lr"
		}
		return d
	}
	return &report.Diagnosis{Verdict: report.Unclear, Why: fmt.Sprintf("%s on %s validation examples, with a loss of %.4g where guessing has %.4g; there is no bound that a model could be held against", name, report.Count(m.Examples), m.Loss(), guess)}
}

// majorityShare is the accuracy of always predicting the most frequent class.
func majorityShare(m *task.Metrics) float64 {
	most := int64(0)
	for _, row := range m.Matrix {
		sum := int64(0)
		for _, n := range row {
			sum += n
		}
		most = max(most, sum)
	}
	return float64(most) / float64(max(1, m.Examples))
}

// learns reports whether the validation loss fell over the second half of the epochs by so much
// that more epochs would help. The fall must exceed the changes between single epochs.
func (s *Symptoms) learns() bool {
	n := len(s.History)
	if n < settled {
		return true
	}
	loss := func(i int) float64 { return s.History[i].Val.Loss() }
	half, end := (loss(n/2-1)+loss(n/2))/2, (loss(n-2)+loss(n-1))/2
	jitter := 0.0
	for i := n/2 + 1; i < n; i++ {
		jitter = math.Max(jitter, loss(i)-loss(i-1))
	}
	return half-end > falling*half && half-end > jitter
}

// unfinished says why a fit would continue to improve.
func (s *Symptoms) unfinished() string {
	if len(s.History) < settled {
		return "so few epochs hardly end in all that can be learned"
	}
	return "the validation loss was still falling at the end"
}

// lossRise describes a validation loss that ended at least a fifth above its minimum. It is "" for
// any other.
func (s *Symptoms) lossRise() string {
	at, low := 0, math.Inf(1)
	for i, e := range s.History {
		if l := e.Val.Loss(); l < low {
			at, low = i, l
		}
	}
	end := s.History[len(s.History)-1].Val.Loss()
	if end < 1.2*low || len(s.History)-at < 3 {
		return ""
	}
	return fmt.Sprintf("the validation loss has risen from %.3f in epoch %d to %.3f", low, at+1, end)
}

// portion puts a fraction into words.
func portion(x float64) string {
	switch {
	case x > 0.9:
		return "nearly all"
	case x > 0.6:
		return "most"
	case x > 0.4:
		return "half"
	}
	return "a third"
}

// headOnly reports whether nothing below the head trained.
func (d Depth) headOnly() bool { return d.Thawed == 0 && !d.Trunk && d.Adapter == "" }

// whole reports whether every weight trained.
func (d Depth) whole() bool {
	return (d.Thawed > 0 || d.Trunk) && d.Thawed >= len(d.Blocks) && !d.Parts
}

// subject is what trained, as the subject of a sentence.
func (d Depth) subject() string {
	share := fmt.Sprintf("%.3g%% of the parameters", 100*d.Share)
	switch {
	case d.Adapter != "" && (d.Thawed > 0 || d.Trunk):
		return fmt.Sprintf("training adapter %s and option thaw %s (%s)", d.Adapter, d.Thaw, share)
	case d.Adapter != "":
		return fmt.Sprintf("adapter %s (%s)", d.Adapter, share)
	case d.headOnly():
		return "the head alone"
	case d.Parts:
		return fmt.Sprintf("training %s (option thaw %s)", share, d.Thaw)
	case d.whole():
		return "the whole model"
	}
	return "training the last " + blocks(d.Thawed)
}

func blocks(n int) string {
	if n == 1 {
		return "block"
	}
	return fmt.Sprintf("%d blocks", n)
}

// culprit is what underfits.
func (d Depth) culprit() string {
	switch {
	case d.whole():
		return "the model underfits"
	case d.Parts:
		return "what trains is too little"
	}
	return "the frozen trunk underfits"
}

// harder is advice for a model that has learned nothing. above says that its loss is above that of
// guessing.
func (d Depth) harder(above bool) string {
	switch {
	case above:
		return "a lower learning rate (option lr)"
	case d.whole() || len(d.Blocks) == 0:
		return "ten times the learning rate (option lr), or more epochs"
	}
	return "ten times the learning rate (option lr), or " + d.deeper(above)
}

// deeper is advice to train more. above says that the loss is above that of guessing, for which a
// rate may be too high.
func (d Depth) deeper(above bool) string {
	n := len(d.Blocks)
	next := min(n, max(2*d.Thawed, (n+4)/5))
	switch {
	case d.whole():
		rate := "a higher"
		if above {
			rate = "a lower"
		}
		return "everything trains already: " + rate + " learning rate (option lr), more epochs, or a larger pretrained model (permafrost rank compares them)"
	case d.Parts && d.Adapter == "":
		return d.thaw(max(d.Thawed, (n+4)/5))
	case n == 0:
		return "a larger pretrained model (permafrost rank compares them)"
	case strings.HasPrefix(d.Adapter, "ia3"):
		return "option adapter lora:8, which can change more, or weights of the model itself: " + d.thaw(next)
	case d.Adapter != "":
		return "a larger rank, or weights of the model itself: " + d.thaw(next)
	}
	return d.thaw(next)
}

// thaw names the option that trains the last n blocks.
func (d Depth) thaw(n int) string {
	head := ""
	if !d.Fresh {
		head = "head,"
	}
	if n >= len(d.Blocks) {
		return "thaw everything: option thaw all"
	}
	return fmt.Sprintf("thaw from %s on: option thaw %slast:%d", d.Blocks[len(d.Blocks)-n], head, n)
}

// shallower is advice to train less.
func (s *Symptoms) shallower() string {
	d := s.Trained
	more := "more examples would help most; "
	switch {
	case s.Augment:
		more = "more examples, or stronger changes of them, would help most; "
	case s.Augmentable:
		more = "more examples, or option augment, would help most; "
	}
	switch half := min(d.Thawed, len(d.Blocks)) / 2; {
	case d.headOnly() && len(d.Blocks) == 0:
		return more + "no fewer weights can train"
	case d.headOnly():
		return fmt.Sprintf("%sno fewer weights can train; where the trunk's features are at fault, which these numbers cannot tell, thawing helps: compare with option thaw last:%d",
			more, max(1, (len(d.Blocks)+4)/5))
	case half == 0 || d.Adapter != "" || d.Parts:
		return more + "freeze more: compare with the head alone (option thaw head)"
	default:
		return fmt.Sprintf("%sfreeze more: compare with option thaw last:%d and option thaw head", more, half)
	}
}
