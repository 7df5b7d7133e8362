// Package failure gives the errors of the public sub-packages the kinds of package permafrost.
package failure

import (
	"context"
	"errors"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// failure is an error that reads like its cause and is of a kind.
type failure struct {
	cause error
	kind  error
}

func (f *failure) Error() string   { return f.cause.Error() }
func (f *failure) Unwrap() []error { return []error{f.cause, f.kind} }

// As replaces the internal type of an error in an option by that of package permafrost.
func (f *failure) As(target any) bool {
	var e *option.Error
	to, ok := target.(**permafrost.OptionError)
	if ok = ok && errors.As(f.cause, &e); ok {
		*to = &permafrost.OptionError{Option: e.Name, Err: e.Err}
	}
	return ok
}

// Of is err, and permafrost.ErrInterrupted too where a context has ended.
func Of(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &failure{err, permafrost.ErrInterrupted}
	}
	return err
}

// BadInput is Of for errors that the user can mend: any other is permafrost.ErrBadInput too.
func BadInput(err error) error {
	if e := Of(err); e != err || err == nil {
		return e
	}
	return &failure{err, permafrost.ErrBadInput}
}
