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
	History []report.EpochEvent
	Kept    int  // epoch of the written weights
	Altered bool // training accuracy was measured on augmented or mixed examples
	Augment bool // the training examples were augmented
	Trained Depth
}

// Depth says how much of the model a fit trained.
type Depth struct {
	Fresh   bool     // a new head trained
	Blocks  []string // of the model, from the input to the head
	Thawed  int      // blocks from the head down to the lowest one with a thawed weight
	Parts   bool     // only some of their weights, such as norms or biases
	Adapter string   // the adapter that trained instead of blocks
}

// Thresholds of a diagnosis, as fractions of the examples unless stated otherwise.
const (
	unlearnt = 0.03 // relevant training error
	matters  = 0.05 // relevant gap
	certain  = 2.0  // standard errors from which a difference is not chance
	falling  = 0.10 // fraction of the loss: a gain over half a run that suggests further gains
	few      = 30   // too few validation examples to judge
	settled  = 4    // epochs after which a fit may have converged
)

// Fit judges a fit by its numbers.
func Fit(s Symptoms) *report.Diagnosis {
	d := judge(s)
	if s.Kept >= 0 && s.Kept < len(s.History) {
		d.Why += mistrust(s.History[s.Kept].Val)
	}
	return d
}

// mistrust names a classifier's loss above that of guessing: its answers may be right, and their
// probabilities are not.
func mistrust(m *task.Metrics) string {
	if m == nil || m.Named() != nil {
		return ""
	}
	guess, ok := m.Guess()
	if !ok || m.Loss() <= guess {
		return ""
	}
	return fmt.Sprintf("; its validation loss of %.4g is above the %.4g of guessing: the probabilities mislead (a lower option lr, or option calibrate on)", m.Loss(), guess)
}

// judge compares the accuracy t on training examples with the accuracy v on validation examples.
//
// If the training examples already account for at least a third of the error, 2(1-t) > t-v, and
// that part is relevant, the model underfits. More examples of the same kind would not help; more
// trained weights may. Otherwise, if the gap t-v is at least 5 points and at least 2 of its standard
// errors, the model overfits. t is the mean over the last epoch while the weights changed, and v
// belongs to the epoch whose weights are written. In the end a model knows its training examples at
// least as well as new ones, so for underfitting t counts as at least v. Anything else is fine. It is
// unclear if there are too few examples, or if the training examples were altered.
func judge(s Symptoms) *report.Diagnosis {
	if len(s.History) == 0 || s.Kept < 0 || s.History[s.Kept].Val == nil {
		return &report.Diagnosis{Verdict: report.Unclear, Why: "no epoch was finished"}
	}
	last, kept := s.History[len(s.History)-1], s.History[s.Kept]
	if m := kept.Val; m.Named() != nil {
		return unbounded(m)
	}
	n, v := kept.Val.Examples, kept.Val.Accuracy()
	t := float64(last.TrainAccuracy)
	majority := majorityShare(kept.Val)
	// even an accuracy of 1 is uncertain by half an example
	se := math.Max(math.Sqrt(v*(1-v)/float64(max(1, n))), 0.5/float64(max(1, n)))
	gap, learnt := t-v, math.Max(t, v)
	numbers := fmt.Sprintf("%s on its own training data after %s, and %s ± %.1f on %s validation examples", report.Percentage(t), report.Epochs(len(s.History)), report.Percentage(v), 100*se, report.Count(n))
	if n < few {
		return &report.Diagnosis{Verdict: report.Unclear, Why: fmt.Sprintf("%s: too few to tell", numbers), Advice: "give more validation examples with option val"}
	}
	noise := certain * se
	switch {
	case v < majority+certain*math.Sqrt(majority*(1-majority)/float64(n)) && t < majority+matters && !s.Altered:
		return &report.Diagnosis{Verdict: report.Underfitting, Why: fmt.Sprintf("%s reaches %s, hardly more than always answering the most frequent class (%s)",
			s.Trained.subject(), numbers, report.Percentage(majority)), Advice: "look at the labels and the preprocessing first; then try ten times the learning rate, or " + s.Trained.deeper()}
	case s.Altered && t < v+noise:
		return &report.Diagnosis{Verdict: report.Unclear, Why: numbers + ", where the training examples were augmented or mixed: their accuracy is no measure of fit"}
	case 1-learnt > unlearnt && 2*(1-learnt) > gap && !s.Altered:
		d := &report.Diagnosis{Verdict: report.Underfitting, Why: fmt.Sprintf("%s reaches %s: %s of the error is there before any new example comes, so %s",
			s.Trained.subject(), numbers, portion((1-learnt)/(1-v)), s.Trained.culprit()), Advice: s.Trained.deeper()}
		if s.learns() {
			d.Why += "; " + s.unfinished()
			d.Advice = fmt.Sprintf("give it more epochs (option epochs %d); if that does not do, %s", 2*len(s.History), d.Advice)
		}
		return d
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

// counts is the rule by which a gap between training and validation examples is overfitting.
func counts(gap, se float64) bool { return gap >= matters && gap >= certain*se }

// gapText says how large a gap is, by the numbers that counts looks at.
func gapText(gap, se float64) string {
	s := fmt.Sprintf("a gap of %.1f points, %.1f times its standard error", 100*gap, gap/se)
	if !counts(gap, se) {
		s += fmt.Sprintf(" (it counts from %.0f points and %.0f times on)", 100*matters, certain)
	}
	return s
}

// unbounded judges a task whose metric has no best value that training could reach, by the loss of
// guessing if there is one.
func unbounded(m *task.Metrics) *report.Diagnosis {
	guess, ok := m.Guess()
	name := report.MetricText(m.Named(), 0)
	switch {
	case !ok:
		return &report.Diagnosis{Verdict: report.Unclear, Why: fmt.Sprintf("%s has no bound that a model could be held against", m.Named().Name)}
	case m.Loss() >= guess:
		return &report.Diagnosis{Verdict: report.Underfitting, Why: fmt.Sprintf("%s on %s validation examples, with a loss of %.4g: no better than guessing, whose loss is %.4g", name, report.Count(m.Examples), m.Loss(), guess),
			Advice: "look at the labels and the preprocessing first; then try another learning rate (option lr)"}
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

// headOnly reports whether no block trained.
func (d Depth) headOnly() bool { return d.Thawed == 0 && d.Adapter == "" }

// subject is what trained, as the subject of a sentence.
func (d Depth) subject() string {
	switch {
	case d.Adapter != "":
		return "adapter " + d.Adapter
	case d.headOnly():
		return "the head alone"
	case d.Parts:
		return "training parts of the last " + blocks(d.Thawed)
	case d.Thawed >= len(d.Blocks):
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
	if d.Thawed >= len(d.Blocks) && !d.Parts {
		return "the model underfits"
	}
	return "the frozen trunk underfits"
}

// deeper is advice to train more.
func (d Depth) deeper() string {
	n := len(d.Blocks)
	next := min(n, max(2*d.Thawed, (n+4)/5))
	switch {
	case n == 0:
		return "a larger pretrained model (permafrost rank compares them)"
	case strings.HasPrefix(d.Adapter, "ia3"):
		return "option adapter lora:8, which can change more, or weights of the model itself: " + d.thaw(next)
	case d.Adapter != "":
		return "a larger rank, or weights of the model itself: " + d.thaw(next)
	case d.Parts:
		return "train those blocks whole: " + d.thaw(d.Thawed)
	case d.Thawed >= n:
		return "everything trains already: a higher learning rate (option lr), more epochs, or a larger pretrained model (permafrost rank compares them)"
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
	more := "more examples, or option augment, would help most; "
	if s.Augment {
		more = "more examples, or stronger changes of them, would help most; "
	}
	switch half := min(d.Thawed, len(d.Blocks)) / 2; {
	case d.headOnly():
		return fmt.Sprintf("%sno fewer weights can train; where the trunk's features are at fault, which these numbers cannot tell, thawing helps: compare with option thaw last:%d",
			more, max(1, (len(d.Blocks)+4)/5))
	case half == 0 || d.Adapter != "":
		return more + "freeze more: compare with the head alone (option thaw head)"
	default:
		return fmt.Sprintf("%sfreeze more: compare with option thaw last:%d and option thaw head", more, half)
	}
}
