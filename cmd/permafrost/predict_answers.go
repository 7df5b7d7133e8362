package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// answerWriter is where the answers of predict go: to stdout as they come, or at the end as one JSON
// object or a table.
type answerWriter struct {
	cmd   *cobra.Command
	notes []string // on the model, to be said before the first answer
	top   int      // labels to list of each
	json  bool     // one JSON object
	out   string   // a CSV file; empty for none

	all     []permafrost.Prediction // what is still to be written
	skipped []skippedInput          // inputs that could not be used
	given   int                     // answers in all
	unused  int                     // inputs that could not be used
}

// skippedInput is an input that could not be used, as predict --json names it.
type skippedInput struct {
	Input string `json:"input"`
	Why   string `json:"why"`
}

// add takes answers, and inputs that could not be used.
func (a *answerWriter) add(found []permafrost.Prediction, skipped []permafrost.Skipped) error {
	for _, n := range a.notes {
		note(a.cmd, "%s", n)
	}
	a.notes = nil
	noteSkipped(a.cmd, skipped)
	for _, s := range skipped {
		a.skipped = append(a.skipped, skippedInput{s.Path, s.Err.Error()})
	}
	a.given, a.unused = a.given+len(found), a.unused+len(skipped)
	for i := range found {
		found[i].Top = found[i].Top[:min(a.top, len(found[i].Top))]
	}
	if a.json || a.out != "" {
		a.all = append(a.all, found...)
		return nil
	}
	for _, f := range found {
		if _, err := fmt.Fprintf(a.cmd.OutOrStdout(), "%s\t%s\n", f.Input, f); err != nil {
			return err
		}
	}
	return nil
}

// finish writes what is left. The exit status is that of a failed check if some inputs could not
// be used.
func (a *answerWriter) finish() error {
	if a.out != "" {
		if err := permafrost.WritePredictions(a.out, a.all); err != nil {
			return err
		}
	}
	var err error
	switch {
	case a.json:
		err = printJSON(a.cmd.OutOrStdout(), struct {
			Predictions []permafrost.Prediction `json:"predictions"`
			Skipped     []skippedInput          `json:"skipped,omitempty"`
		}{append([]permafrost.Prediction{}, a.all...), a.skipped})
	case a.out != "":
		_, err = fmt.Fprintf(a.cmd.OutOrStdout(), "%s answers in %s\n", thousands(a.given), a.out)
	}
	if err == nil && a.unused > 0 {
		return exitError{exitFailed, fmt.Sprintf("%d of %d inputs could not be used", a.unused, a.given+a.unused)}
	}
	return err
}

func noteSkipped(cmd *cobra.Command, skipped []permafrost.Skipped) {
	for _, s := range skipped {
		note(cmd, "skipped %s: %v", s.Path, s.Err)
	}
}
