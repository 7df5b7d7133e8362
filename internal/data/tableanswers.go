package data

import (
	"fmt"
	"slices"
	"strings"
)

// Answered is the interpretation of the answers of a table's examples.
type Answered struct {
	Task    string
	Classes []string // for a task with classes
	Kept    []int    // the examples with an answer, in order
	Remarks []string
}

// missingWords stand for a missing value in tables, in any letter case.
var missingWords = []string{"", "n/a", "na", "nan", "null", "none", "nil", "-", "?", "#n/a"}

func isMissing(answer string) bool { return slices.Contains(missingWords, strings.ToLower(answer)) }

// ReadAnswers interprets the answers of a table's examples, one per row, and finds their groups. If opt names no task, it
// finds the task. For a task with classes it finds these, if classes is nil, and sets the class of
// every example. For a task whose answers have a form (see Answers.Like), it drops rows without an
// answer. It errors on an answer that is invalid for the task, and on one that alone would change
// the task; the error names the line.
func ReadAnswers(t *Table, examples []Example, opt Options, classes []string) (*Answered, error) {
	a := &Answered{Task: opt.Task, Remarks: slices.Clone(t.Remarks)}
	said, err := groupRows(t, examples, opt)
	if err != nil {
		return nil, err
	}
	a.Remarks = append(a.Remarks, said...)
	a.decimals(t, examples)
	if a.Task == "" {
		if err := a.findTask(t, examples); err != nil {
			return nil, err
		}
	}
	kind := answersOf(a.Task)
	if err := a.leaveOut(t, examples, kind); err != nil {
		return nil, err
	}
	if !kind.Classes {
		return a, nil
	}
	a.wholeNumbers(t, examples)
	if a.Classes = classes; classes == nil || opt.Own != nil && opt.Own.Exact {
		if err := a.findClasses(t, examples, opt.Own); err != nil {
			return nil, err
		}
		if opt.Task == "" {
			a.saySimilar(t)
		}
	}
	known := map[string]int{}
	for i := range examples {
		label, ok := known[examples[i].Answer]
		if !ok {
			label = classOf(a.Classes, examples[i].Answer)
			known[examples[i].Answer] = label
		}
		if examples[i].Label = label; label < 0 {
			return nil, fmt.Errorf("data: %s, line %d: the label %q is none that training saw (%s)", t.Path, t.Lines[i], examples[i].Answer, list(a.Classes))
		}
	}
	return a, nil
}

// wholeNumbers takes the fractions of zeros off labels that all are whole numbers, so that 1.0 and 1
// are one class, and adds a note.
func (a *Answered) wholeNumbers(t *Table, examples []Example) {
	changed := -1
	for _, i := range a.Kept {
		switch answer := examples[i].Answer; {
		case !digitsOnly(wholeNumber(answer)) && !isMissing(answer):
			return
		case wholeNumber(answer) != answer && changed < 0:
			changed = i
		}
	}
	if changed < 0 {
		return
	}
	before := examples[changed].Answer
	for _, i := range a.Kept {
		examples[i].Answer = wholeNumber(examples[i].Answer)
	}
	a.Remarks = append(a.Remarks, fmt.Sprintf("%s: the labels are whole numbers, so that they are names of classes: %s is the class %s", t.Path, before, wholeNumber(before)))
}

// wholeNumber is a whole number without a fraction of zeros, which other texts keep.
func wholeNumber(s string) string {
	whole, fraction, ok := strings.Cut(s, ".")
	if ok && digitsOnly(whole) && strings.Trim(fraction, "0") == "" {
		return whole
	}
	return s
}

// digitsOnly reports whether a text is digits, with or without a sign.
func digitsOnly(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	return s != "" && digitsOf(s) == len(s)
}

// saySimilar says where all classes have the form of another task's answers, as whole numbers have.
// Two may be a yes and a no.
func (a *Answered) saySimilar(t *Table) {
	for _, other := range tasks {
		if other.Like == nil || len(a.Classes) < 3 || slices.ContainsFunc(a.Classes, func(c string) bool { return !other.Like(c) }) {
			continue
		}
		a.Remarks = append(a.Remarks, fmt.Sprintf("%s: the labels are %d different whole numbers, which are taken for names of classes; option task %s takes them for amounts", t.Path, len(a.Classes), other.task))
	}
}

// findClasses takes the classes from the answers.
func (a *Answered) findClasses(t *Table, examples []Example, own *Own) (err error) {
	var found []string
	for _, e := range examples {
		found = append(found, e.Answer)
	}
	if a.Classes, err = classNames(t.Path, found); err != nil {
		return err
	}
	if len(a.Classes) == 1 && (own == nil || !own.Exact) {
		return fmt.Errorf("data: %s has one label only (%s): training needs at least two", t.Path, a.Classes[0])
	}
	if own == nil {
		return nil
	}
	var said []string
	a.Classes, said, err = own.order(t.Path, a.Classes)
	a.Remarks = append(a.Remarks, said...)
	return err
}

// findTask finds the task that the answers look like. If all but a few look like one task, the few
// are an error rather than a reason for another task. So are a few that alone look like it.
func (a *Answered) findTask(t *Table, examples []Example) error {
	var present []string
	for _, e := range examples {
		if !isMissing(e.Answer) {
			present = append(present, e.Answer)
		}
	}
	few := func(n int) bool { return n > 0 && n*20 <= len(examples) }
	if len(present)*2 < len(examples) { // if most are missing, that means something
		for _, e := range examples {
			present = append(present, e.Answer)
		}
	}
	a.Task = FindTask(present, false)
	line := func(of func(string) bool) (first, n int) {
		for i, e := range examples {
			if !isMissing(e.Answer) && of(e.Answer) {
				if n == 0 {
					first = i
				}
				n++
			}
		}
		return first, n
	}
	if sign := answersOf(a.Task).Sign; sign != nil {
		if i, n := line(sign); few(n) {
			return fmt.Errorf("data: %s, line %d: the label %q is of the task %s, and only %d of %d labels are: mend it, or say by option task what is meant", t.Path, t.Lines[i], examples[i].Answer, a.Task, n, len(examples))
		}
	}
	for _, other := range tasks {
		if other.Like == nil || other.Looks == nil || other.task == a.Task {
			continue
		}
		liked := slices.DeleteFunc(slices.Clone(present), func(s string) bool { return !other.Like(s) })
		if !other.Looks(liked, false) {
			continue
		}
		if i, n := line(func(s string) bool { return !other.Like(s) }); few(n) {
			return fmt.Errorf("data: %s, line %d: the label %q is none of the task %s, and the other %d of %d labels are: mend or remove the row, or say by option task what is meant", t.Path, t.Lines[i], examples[i].Answer, other.task, len(examples)-n, len(examples))
		}
	}
	return nil
}

// leaveOut drops the examples without an answer, if that can be recognised, and adds a note. It
// errors if they are more than a tenth.
func (a *Answered) leaveOut(t *Table, examples []Example, kind Answers) error {
	var lines []string
	odd := map[string]int{}
	for i, e := range examples {
		switch {
		case kind.Like != nil && isMissing(e.Answer) && !kind.Like(e.Answer):
			if lines = append(lines, fmt.Sprint(t.Lines[i])); len(lines)*10 > len(examples) && len(lines) > 1 {
				return fmt.Errorf("data: %s: more than a tenth of the labels are missing (lines %s): fill them in, or remove the rows", t.Path, list(lines))
			}
			continue
		case e.Answer == "" && !kind.Empty:
			return fmt.Errorf("data: %s, line %d: the label is empty: fill it in, or remove the row", t.Path, t.Lines[i])
		case e.Answer != "" && isMissing(e.Answer):
			odd[e.Answer]++
		}
		a.Kept = append(a.Kept, i)
	}
	if n := len(lines); n > 0 {
		a.Remarks = append(a.Remarks, fmt.Sprintf("%s: %d of %d rows have no label and are left out: line %s", t.Path, n, len(examples), list(lines)))
	}
	for _, word := range sortedKeys(odd) {
		if 10*odd[word] <= len(examples) {
			a.Remarks = append(a.Remarks, fmt.Sprintf("%s: %s is taken for a label like others, of %d of %d rows: remove them if it says that there is none", t.Path, word, odd[word], len(examples)))
		}
	}
	return nil
}

func sortedKeys(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// decimals turns decimal commas into points if all answers then fit a task that some did not fit
// before, and adds a note. If three digits follow every comma, these may be thousands and are kept,
// unless commas cannot separate columns.
func (a *Answered) decimals(t *Table, examples []Example) {
	for _, of := range tasks {
		if of.Like == nil || a.Task != "" && a.Task != of.task {
			continue
		}
		changed, fraction := 0, t.separator == ';'
		out := make([]string, len(examples))
		for i, e := range examples {
			out[i] = e.Answer
			if isMissing(e.Answer) || of.Like(e.Answer) {
				continue
			}
			whole, behind, ok := strings.Cut(e.Answer, ",")
			if out[i] = whole + "." + behind; !ok || !of.Like(out[i]) {
				return
			}
			changed++
			fraction = fraction || len(behind) != 3
		}
		if changed == 0 || !fraction {
			return
		}
		for i := range examples {
			examples[i].Answer = out[i]
		}
		a.Remarks = append(a.Remarks, fmt.Sprintf("%s: commas in labels are read as decimal points", t.Path))
		return
	}
}
