// Package option holds the error that blames an option of a fit by its name. Every package may
// return it: what an option is called on a command line is not their concern.
package option

import "fmt"

// Error says what is wrong with one option.
type Error struct {
	Name string // as in run.yaml: lr_mult
	Err  error
}

func (e *Error) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Errorf is an Error whose Err is fmt.Errorf of the rest.
func Errorf(name, format string, a ...any) error { return &Error{name, fmt.Errorf(format, a...)} }
