package permafrost

import (
	"context"
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Errors that a caller can ask for with errors.Is.
var (
	// ErrBadInput is an error that the user can mend: a file, a selector, an option, data that do
	// not fit the model. The message says what is wrong, where, and how to mend it. Nothing was
	// written.
	ErrBadInput = errors.New("bad input")

	// ErrInterrupted is the error of a call whose context ended. It also is the context's error. A
	// fit with a run folder has saved a checkpoint, from which Resume goes on.
	ErrInterrupted = errors.New("interrupted")

	// ErrOtherRun is the error of a Resume with another model, other data, another plan or other
	// options than the run was begun with. It also is ErrBadInput.
	ErrOtherRun = errors.New("another run")
)

// OptionError blames one option. It reads as "lr_mult: ...".
type OptionError struct {
	// Option is the name of the option, as in run.yaml.
	Option string
	// Err says what is wrong with it.
	Err error
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *OptionError) Unwrap() error { return e.Err }

// DivergedError is the error of a fit whose loss is no longer a finite number.
type DivergedError struct {
	// Epoch and Step say when, both from 0. Step counts the optimiser steps of the run.
	Epoch, Step int
	// Where names the first value that was not finite: a node of the network or a gradient.
	Where string
	// Kept is the path of the last good checkpoint, empty when there is none.
	Kept string
}

func (e *DivergedError) Error() string { return (*run.DivergedError)(e).Error() }

// failure is an error as it leaves this package. It reads as its cause, and it is of the given
// kinds.
type failure struct {
	cause error
	kinds []error
}

func (f *failure) Error() string   { return f.cause.Error() }
func (f *failure) Unwrap() []error { return append([]error{f.cause}, f.kinds...) }

// As finds the types of error that this package owns in the place of internal ones.
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

// failed makes err one of this package: ErrInterrupted where a context ended, else of the given
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

// badInput is failed for what the user can mend.
func badInput(err error) error { return failed(err, ErrBadInput) }

// badOption is an error that blames an option.
func badOption(name, format string, a ...any) error {
	return badInput(&option.Error{Name: name, Err: fmt.Errorf(format, a...)})
}
