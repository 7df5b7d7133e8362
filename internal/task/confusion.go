package task

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// widestTable is the largest number of classes for which WriteTable writes the whole matrix.
const widestTable = 16

// WriteTable writes the confusion matrix for a person: rows are true classes, columns predicted
// ones. For many classes it writes only the most frequent confusions, one per line. names has one
// name per class.
func (m *Metrics) WriteTable(w io.Writer, names []string) error {
	if m.Classes > widestTable {
		return m.writeWorst(w, names)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	cells := []string{"true \\ guess"}
	for _, n := range names {
		cells = append(cells, shorten(n, 12))
	}
	fmt.Fprintln(tw, strings.Join(append(cells, "recall"), "\t")+"\t")
	for i, row := range m.Matrix {
		cells = append(cells[:0], shorten(names[i], 24))
		for _, n := range row {
			s := "·"
			if n > 0 {
				s = fmt.Sprint(n)
			}
			cells = append(cells, s)
		}
		truth, _ := m.totals(i)
		fmt.Fprintln(tw, strings.Join(append(cells, percent(row[i], truth)), "\t")+"\t")
	}
	return tw.Flush()
}

func (m *Metrics) writeWorst(w io.Writer, names []string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	worst := m.Confusions(10)
	for _, c := range worst {
		truth, _ := m.totals(c.Truth)
		fmt.Fprintf(tw, "%s\ttaken for %s\t%d of %d\n", names[c.Truth], names[c.Guess], c.Count, truth)
	}
	if len(worst) == 0 {
		fmt.Fprintln(tw, "no class was taken for another")
	}
	return tw.Flush()
}

func percent(a, b int64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(a)/float64(b))
}

// shorten cuts s to at most n runes.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(slices.Concat(r[:n-1], []rune{'…'}))
}
