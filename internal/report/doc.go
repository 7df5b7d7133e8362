// Package report is the event stream of a run and its readers: the log events.jsonl, and the lines
// on a terminal, of which one moves.
//
// In: events, in order. Out: lines for people and for programs. It knows nothing of how a run
// trains: everything that it shows is in the events.
package report
