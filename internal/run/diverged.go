package run

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/report"
)

// DivergedError says that training did not come to an end that can be used: a value became NaN or
// infinite, or the loss ended far above that of guessing.
type DivergedError struct {
	Epoch, Step int
	Where       string // the first value that was NaN or infinite, or what the fit ended at
	Kept        string // the checkpoint of the best epoch, "" unless its loss is at most that of guessing
	Ended       bool   // the fit came to its last epoch
	Poor        bool   // no epoch had a loss of at most that of guessing
	Clip        bool   // option clip may help
}

func (e *DivergedError) Error() string {
	var b strings.Builder
	if e.Ended {
		fmt.Fprintf(&b, "training diverged: %s", e.Where)
	} else {
		fmt.Fprintf(&b, "the loss is not a number at epoch %d, step %d: it arose first in %s", e.Epoch+1, e.Step+1, e.Where)
	}
	b.WriteString("; lower option lr")
	if e.Clip {
		b.WriteString(" or set option clip 1")
	}
	switch {
	case e.Kept != "":
		b.WriteString("; the last good checkpoint is " + e.Kept)
	case e.Poor:
		b.WriteString("; no epoch was better than guessing, so there is no good checkpoint")
	}
	return b.String()
}

// farAbove is how many times the loss of guessing the losses are at the end of a fit that diverged.
// Both the training and the validation loss: the first is a mean while the weights moved, and may
// contain a bad beginning.
const farAbove = 10

// ended errors if a loss or metric of the last epoch, or of the one whose weights are written, is
// NaN or infinite, or if the training loss of the last epoch is far above that of knowing nothing.
func (f *loop) ended() error {
	if len(f.st.History) == 0 {
		return nil
	}
	last := &f.st.History[len(f.st.History)-1]
	where := ""
	for _, e := range []*report.EpochEvent{last, &f.st.History[f.keptEpoch()]} {
		if where = nonFinite(e); where != "" {
			break
		}
	}
	if loss, ignorant, what := min(float64(last.TrainLoss), last.Val.Loss()), 0.0, ""; where == "" {
		if ignorant, what = f.ignorance(last); what == "" || loss <= farAbove*ignorant {
			return nil
		}
		where = fmt.Sprintf("the loss on the training examples is %.3g, that %s %.3g", loss, what, ignorant)
	}
	return &DivergedError{Epoch: last.Epoch, Step: f.st.Step, Ended: true, Where: fmt.Sprintf("after %s %s", report.Epochs(len(f.st.History)), where)}
}

// nonFinite names the loss or metric of an epoch that is NaN or infinite, "" for none.
func nonFinite(e *report.EpochEvent) string {
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	name, value := e.Val.Metric()
	switch {
	case !finite(float64(e.TrainLoss)):
		return "the loss on the training examples is not a number"
	case !finite(e.Val.Loss()):
		return "the loss on the validation examples is not a number"
	case !finite(value):
		return fmt.Sprintf("the %s on the validation examples is not a number (loss %.3g)", name, e.Val.Loss())
	}
	return ""
}

// ignorance is the loss of knowing nothing: that of guessing, or of the model before training where
// that is larger. what names it, "" if there is no such loss.
func (f *loop) ignorance(e *report.EpochEvent) (loss float64, what string) {
	if guess, ok := e.Val.Guess(); ok {
		loss, what = guess, "of guessing"
	}
	if f.st.BeforeLoss > loss {
		loss, what = f.st.BeforeLoss, "before training"
	}
	return loss, what
}

// keepBest writes the best weights of a fit that diverged, names their file in the error if they
// are good, and says in it what may help.
func (f *loop) keepBest(err error) error {
	var diverged *DivergedError
	if !errors.As(err, &diverged) {
		return err
	}
	// adamw divides a gradient by its own size, so that limiting it changes little
	diverged.Clip = f.session.Config.Clip == 0 && f.session.Config.Optimizer != "adamw"
	if f.dir == nil {
		return err
	}
	if serr := f.saveBest(); serr != nil {
		return fmt.Errorf("%w; the best weights could not be written: %w", err, serr)
	}
	if diverged.Poor = !f.good(); diverged.Poor {
		return err
	}
	if _, serr := os.Stat(f.dir.File(BestCheckpoint)); serr == nil {
		diverged.Kept = f.dir.File(BestCheckpoint)
	}
	return err
}

// good reports whether the validation loss of the best epoch is at most that of knowing nothing.
func (f *loop) good() bool {
	if !f.st.Best.Found || f.st.Best.Epoch >= len(f.st.History) {
		return false
	}
	e := &f.st.History[f.st.Best.Epoch]
	ignorant, what := f.ignorance(e)
	const rounding = 1e-6 // of a sum of float32 losses
	return nonFinite(e) == "" && (what == "" || e.Val.Loss() <= ignorant*(1+rounding))
}
