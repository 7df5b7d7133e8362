package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/permafrost-ml/permafrost"
)

const (
	mostClasses  = 30 // of which all have a row in the table
	worstClasses = 10 // that have one where there are more
	mostConfused = 5  // pairs of classes
)

// writeOutcomes writes the files of eval. An empty path writes none.
func writeOutcomes(e *permafrost.Evaluation, mistakes, each string) error {
	if mistakes != "" {
		if err := e.WriteMistakes(mistakes); err != nil {
			return err
		}
	}
	if each != "" {
		return e.WriteEach(each)
	}
	return nil
}

// printClasses prints how a model does on each class, the worst ones of many, and which classes it
// confuses most often.
func printClasses(w io.Writer, e *permafrost.Evaluation) error {
	if len(e.PerClass) == 0 {
		return nil
	}
	rows, heading := e.PerClass, "class"
	if len(rows) > mostClasses {
		rows = slices.DeleteFunc(slices.Clone(rows), func(c permafrost.ClassScore) bool { return c.F1 == nil })
		slices.SortStableFunc(rows, func(a, b permafrost.ClassScore) int { return cmp.Compare(*a.F1, *b.F1) })
		rows = rows[:min(worstClasses, len(rows))]
		heading = fmt.Sprintf("worst %d of %d classes", len(rows), len(e.PerClass))
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "examples\tprecision\trecall\tF1\t  "+heading)
	for _, c := range rows {
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t  %s\n", c.Examples, shareText(c.Precision), shareText(c.Recall), shareText(c.F1), c.Class)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(e.Confused) > 0 && len(e.Classes) > 2 {
		fmt.Fprint(w, "\nconfused most often\n")
		for _, c := range e.Confused[:min(mostConfused, len(e.Confused))] {
			of := e.PerClass[slices.Index(e.Classes, c.Label)].Examples
			fmt.Fprintf(w, "  %s taken for %s: %d of %d\n", c.Label, c.Predicted, c.Examples, of)
		}
	}
	return nil
}

// shareText writes a share as a percentage.
func shareText(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100**v)
}
