package run

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/report"
)

// DivergedError says that training did not come to an end that can be used: a value became NaN or
// infinite, or the loss ended far above that of guessing.
type DivergedError struct {
	Epoch, Step int
	Where       string // the first value that was NaN or infinite, or what the loss ended at
	Kept        string // the last good checkpoint, "" when there is none
	Ended       bool   // the loss ended far above that of guessing, and is finite
}

func (e *DivergedError) Error() string {
	s := fmt.Sprintf("the loss is not a number at epoch %d, step %d: it arose first in %s; lower option lr or set option clip 1", e.Epoch+1, e.Step+1, e.Where)
	if e.Ended {
		s = fmt.Sprintf("training diverged: %s; lower option lr or set option clip 1", e.Where)
	}
	if e.Kept != "" {
		s += "; the last good checkpoint is " + e.Kept
	}
	return s
}

// farAbove is how many times the loss of guessing a training loss is at the end of a fit that
// diverged.
const farAbove = 10

// ended errors if the training loss of the last epoch is far above that of guessing.
func (f *loop) ended() error {
	if len(f.st.History) == 0 {
		return nil
	}
	last := f.st.History[len(f.st.History)-1]
	guess, ok := last.Val.Guess()
	loss := float64(last.TrainLoss)
	if !ok || loss <= farAbove*guess {
		return nil
	}
	return &DivergedError{Epoch: last.Epoch, Step: f.st.Step, Ended: true,
		Where: fmt.Sprintf("after %s the loss on the training examples is %.3g, that of guessing %.3g", report.Epochs(len(f.st.History)), loss, guess)}
}
