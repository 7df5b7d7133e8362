package data

import (
	"fmt"
	"slices"
)

// Counts returns the number of examples of each class.
func (d *Dataset) Counts() []int {
	n := make([]int, len(d.Classes))
	for _, e := range d.Examples {
		if e.Label >= 0 {
			n[e.Label]++
		}
	}
	return n
}

// Weights returns class weights for a loss in which all classes count the same. They are inverse to
// class frequency and average to 1 over the examples. A class without examples has weight 0.
func (d *Dataset) Weights() []float32 {
	counts := d.Counts()
	total, present := 0, 0
	for _, n := range counts {
		if total += n; n > 0 {
			present++
		}
	}
	w := make([]float32, len(counts))
	for c, n := range counts {
		if n > 0 {
			w[c] = float32(float64(total) / float64(present*n))
		}
	}
	return w
}

// Balance describes the class sizes in one line. unequal is true if the largest class has at least
// twice as many examples as the smallest.
func (d *Dataset) Balance() (text string, unequal bool) {
	counts := d.Counts()
	lo, hi := -1, -1 // among the classes with examples
	for c, n := range counts {
		if n > 0 && (lo < 0 || n < counts[lo]) {
			lo = c
		}
		if n > 0 && (hi < 0 || n > counts[hi]) {
			hi = c
		}
	}
	if lo < 0 {
		return fmt.Sprintf("%d examples without classes", d.Len()), false
	}
	if counts[lo] == counts[hi] {
		return fmt.Sprintf("%d examples, %d in each of %d classes", d.Len(), counts[lo], len(counts)), false
	}
	text = fmt.Sprintf("%d examples in %d classes, from %d (%s) to %d (%s)",
		d.Len(), len(counts), counts[lo], d.Classes[lo], counts[hi], d.Classes[hi])
	if counts[hi] < 2*counts[lo] {
		return text, false
	}
	share := 100 * float64(counts[hi]) / float64(d.Len())
	return fmt.Sprintf("%s; always guessing %s would be right for %.1f%%", text, d.Classes[hi], share), true
}

// Notes are the lines that a user should see about the data: Faults and unequal classes.
func (d *Dataset) Notes() []string {
	notes := d.Faults()
	if text, unequal := d.Balance(); unequal {
		notes = append(notes, fmt.Sprintf("%s: %s", d.Root, text))
	}
	return notes
}

// Faults are the lines on files left out and classes without examples, and further remarks.
func (d *Dataset) Faults() []string {
	notes := slices.Clone(d.Remarks)
	if n := len(d.Skipped); n > 0 {
		notes = append(notes, fmt.Sprintf("%s: %d %s %s left out of %d", d.Root, n, d.fault(), d.media.Many, n+d.Len()))
		for _, s := range d.Skipped[:min(n, 5)] {
			notes = append(notes, fmt.Sprintf("  %s: %v", s.Path, s.Err))
		}
	}
	if len(d.other) > 0 {
		notes = append(notes, fmt.Sprintf("%s: files that are no %s passed over: %s", d.Root, d.media.Many, kinds(d.other)))
	}
	var absent []string
	for c, n := range d.Counts() {
		if n == 0 {
			absent = append(absent, d.Classes[c])
		}
	}
	if len(absent) > 0 {
		notes = append(notes, fmt.Sprintf("%s: no example of %s", d.Root, list(absent)))
	}
	return notes
}
