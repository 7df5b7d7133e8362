// Package report is the event stream of a run and what reads it: the log events.jsonl, and the
// lines and the progress bar on a terminal.
//
// In come events, in order; out go lines for people and for programs. It knows nothing of how a run
// trains: everything that it shows stands in the events.
package report
