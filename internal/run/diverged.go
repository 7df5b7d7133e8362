package run

import (
	"fmt"
)

// DivergedError says that a value became NaN or infinite during training.
type DivergedError struct {
	Epoch, Step int
	Where       string // the first value that was NaN or infinite
	Kept        string // the last good checkpoint, "" when there is none
}

func (e *DivergedError) Error() string {
	s := fmt.Sprintf("the loss is not a number at epoch %d, step %d: it arose first in %s; lower option lr or set option clip 1", e.Epoch+1, e.Step+1, e.Where)
	if e.Kept != "" {
		s += "; the last good checkpoint is " + e.Kept
	}
	return s
}
