// Package diagnose says in words what is wrong with a fit, and what to freeze or thaw next.
//
// In: the epochs of a run, and how much of the model it trained. Out: a verdict with its numbers
// and advice. It must not know how the fit was made: it reads only what the event stream says.
package diagnose
