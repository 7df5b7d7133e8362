// Package diagnose says in words what ails a fit, and what to freeze or thaw next.
//
// In come the epochs of a run and how deep it trained; out comes a verdict with its numbers and an
// advice. It must not know how the fit was made: it reads what the event stream says.
package diagnose
