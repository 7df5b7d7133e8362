package feed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
)

// A table of vectors has a column for each number, in the model's order, or one column whose cells
// hold them all; and a column label. A fit remembers the names of the columns, and other tables are
// then read by these.

// inMemoryColumn is the column of vectors in memory.
const inMemoryColumn = "vector"

// chooseColumns finds the columns of numbers in the training examples.
func (f *Vectors) chooseColumns(o Options) error {
	if f.names != nil || o.looks.head == nil {
		return nil
	}
	t := o.looks.head
	if t.Unnamed {
		return nil // reading it says so
	}
	at, notes, err := f.columnsByKind(t, t.Column(labelColumns(f.columns)...))
	if err != nil {
		return err
	}
	for _, i := range at {
		f.names = append(f.names, t.Columns[i])
	}
	f.notes = append(f.notes, notes...)
	return nil
}

// find returns the columns of a table that hold the numbers: those that the model was tuned on, by
// their names, or those that can be.
func (f *Vectors) find(t *data.Table, label int) (at []int, err error) {
	switch {
	case t.Column(inMemoryColumn) == 0 && t.Path == inMemory:
		return []int{0}, nil
	case t.Unnamed:
		for i := range t.Columns {
			at = append(at, i)
		}
		return at, nil
	case f.names == nil:
		at, _, err = f.columnsByKind(t, label)
		return at, err
	}
	for _, name := range f.names {
		i := t.Column(name)
		if i < 0 {
			return nil, fmt.Errorf("data: %s has no column %s: the model was tuned on %s (%s)", t.Path, name, count(len(f.names), "column"), few(f.names))
		}
		at = append(at, i)
	}
	return at, nil
}

// columnsByKind returns the columns of numbers beside the label, if there are as many as the model
// takes. A column that numbers the rows is one too many, and so are columns of texts.
func (f *Vectors) columnsByKind(t *data.Table, label int) (at []int, notes []string, err error) {
	group := -1
	if f.columns.Group != "" {
		group = t.Column(f.columns.Group)
	}
	c := sortColumns(t, label, group)
	want := f.width()
	note := func(form string, args ...any) { notes = append(notes, t.Path+": "+fmt.Sprintf(form, args...)) }
	counters := c.among(c.numbers, t.CountsRows)
	if named := c.among(counters, func(i int) bool { return data.IsIndexName(t.Columns[i]) }); len(c.numbers)-len(named) == want {
		counters = named
	}
	rest := c.among(c.numbers, func(i int) bool { return !slices.Contains(counters, i) })
	sure := c.among(counters, func(i int) bool { return data.IsIndexName(t.Columns[i]) && t.Rises(i) })
	left := slices.Concat(c.lists, c.words)
	switch {
	case len(c.lists) == 1 && (len(c.numbers) != want || want == 1):
		at, left = c.lists, slices.Concat(c.numbers, c.words)
	case len(rest) == want && len(counters) > 0:
		at = rest
		note("the column %s numbers the rows and is left out", c.called(counters))
	case len(c.numbers) != want:
		return nil, nil, f.misses(c, "")
	case len(sure) > 0:
		c.numbers = rest
		return nil, nil, f.misses(c, fmt.Sprintf(" (not counting the column %s, which numbers the rows)", c.called(sure)))
	default:
		if at = c.numbers; len(counters) > 0 {
			note("the column %s seems to number the rows, and is one of the %d numbers that the model gets: remove it if it says nothing", c.called(counters), want)
		}
	}
	if slices.Sort(left); len(left) > 0 {
		note("of no use to the model and left out: column %s", c.called(left))
	}
	return at, notes, nil
}

// sortedColumns are the columns of a table beside those of the label and of groups, by what they
// hold.
type sortedColumns struct {
	table                 *data.Table
	label                 int
	numbers, lists, words []int
}

func sortColumns(t *data.Table, label, group int) *sortedColumns {
	c := &sortedColumns{table: t, label: label}
	for i, name := range t.Columns {
		switch kind := t.KindOf(i); {
		case i == label, i == group:
		case kind == data.NumberColumn || kind == data.EmptyColumn && name != "":
			c.numbers = append(c.numbers, i)
		case kind == data.ListColumn:
			c.lists = append(c.lists, i)
		default:
			c.words = append(c.words, i)
		}
	}
	return c
}

// among are the columns for which is holds.
func (c *sortedColumns) among(columns []int, is func(int) bool) (out []int) {
	for _, i := range columns {
		if is(i) {
			out = append(out, i)
		}
	}
	return out
}

// called lists the names of columns.
func (c *sortedColumns) called(columns []int) string {
	names := make([]string, len(columns))
	for k, i := range columns {
		if names[k] = c.table.Columns[i]; names[k] == "" {
			names[k] = fmt.Sprintf("%d (without a name)", i+1)
		}
	}
	return few(names)
}

// misses is the error of a table whose columns of numbers are not as many as the model takes. But is
// what else to say of them.
func (f *Vectors) misses(c *sortedColumns, but string) error {
	var has []string
	add := func(columns []int, of string) {
		if len(columns) > 0 {
			has = append(has, fmt.Sprintf("%s %s (%s)", count(len(columns), "column"), of, c.called(columns)))
		}
	}
	add(c.lists, "with several numbers a cell")
	add(c.numbers, "of numbers")
	add(c.words, "of texts")
	if has == nil {
		has = []string{"no column"}
	}
	if c.label >= 0 {
		but = " beside " + c.table.Columns[c.label] + but
	}
	mend := "give a column for each, in the model's order"
	if len(c.numbers) > f.width() {
		mend = fmt.Sprintf("leave in only those %d and the label, in the model's order", f.width())
	}
	return fmt.Errorf("data: %s has %s%s, and the model takes vectors, %s (%q %v): %s",
		c.table.Path, strings.Join(has, " and "), but, count(f.width(), "number"), f.input.Name, f.input.Shape, mend)
}

// namesAreNumbers returns the line of names of a table if most names are numbers, "" if not.
func namesAreNumbers(t *data.Table) string {
	line := &data.Table{Columns: t.Columns, Rows: [][]string{t.Columns}}
	n := 0
	for i := range t.Columns {
		if _, err := line.Numbers(0, i); err == nil {
			n++
		}
	}
	if n*2 <= len(t.Columns) {
		return ""
	}
	return few(t.Columns)
}

// few lists names, the middle ones left out where there are many.
func few(names []string) string {
	if n := len(names); n > 6 {
		return fmt.Sprintf("%s ... %s", strings.Join(names[:3], ", "), names[n-1])
	}
	return strings.Join(names, ", ")
}

// count is a number of things, in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
