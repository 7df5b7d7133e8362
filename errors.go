package permafrost

import (
	"context"
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Errors to test for with errors.Is.
var (
	// ErrBadInput is an error that the user can mend: a file, a selector, an option, data that do
	// not fit the model. The message says what is wrong, where, and how to mend it. Nothing was
	// written.
	ErrBadInput = errors.New("bad input")

	// ErrInterrupted is the error of a call whose context ended. It wraps the context's error. A
	// fit with a run folder has saved a checkpoint for Resume.
	ErrInterrupted = errors.New("interrupted")

	// ErrOtherRun is the error of a Resume whose model, data, plan or options differ from the
	// run's. It is also ErrBadInput.
	ErrOtherRun = errors.New("another run")
)

// OptionError is an error in one option. It reads "lr_mult: ...".
type OptionError struct {
	// Option is the name of the option, as in run.yaml.
	Option string
	// Err says what is wrong with it.
	Err error
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *OptionError) Unwrap() error { return e.Err }

// DivergedError is the error of a fit whose loss became NaN or infinite, or ended far above that of
// guessing.
type DivergedError struct {
	// Epoch and Step say when, both from 0. Step counts the optimiser steps of the run.
	Epoch, Step int
	// Where names the first value that was NaN or infinite: a node of the network or a gradient. If
	// Ended, it says what the fit ended at.
	Where string
	// Kept is the path of the best epoch's checkpoint, empty unless its loss is at most that of
	// guessing.
	Kept string
	// Ended says that the fit came to its last epoch.
	Ended bool
	// Poor says that no epoch had a loss of at most that of guessing.
	Poor bool
	// Clip says that option clip may help.
	Clip bool
}

func (e *DivergedError) Error() string { return (*run.DivergedError)(e).Error() }

// failure is an error of this package. It reads like its cause, and is of the given kinds.
type failure struct {
	cause error
	kinds []error
}

func (f *failure) Error() string   { return f.cause.Error() }
func (f *failure) Unwrap() []error { return append([]error{f.cause}, f.kinds...) }

// As replaces internal error types by those of this package.
func (f *failure) As(target any) bool {
	switch to := target.(type) {
	case **OptionError:
		var e *option.Error
		if errors.As(f.cause, &e) {
			*to = &OptionError{Option: e.Name, Err: e.Err}
			return true
		}
	case **DivergedError:
		var e *run.DivergedError
		if errors.As(f.cause, &e) {
			*to = (*DivergedError)(e)
			return true
		}
	}
	return false
}

// failed wraps err for this package: as ErrInterrupted if a context ended, else with the given
// kinds.
func failed(err error, kinds ...error) error {
	if err == nil {
		return nil
	}
	var f *failure
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		kinds = []error{ErrInterrupted}
	}
	return &failure{err, kinds}
}

// badInput is failed for errors that the user can mend.
func badInput(err error) error { return failed(err, ErrBadInput) }

// badOption is an error in an option.
func badOption(name, format string, a ...any) error {
	return badInput(&option.Error{Name: name, Err: fmt.Errorf(format, a...)})
}
