package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
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
	var numbers, lists, words, counters []int
	for i := range t.Columns {
		switch kind := t.KindOf(i); {
		case i == label:
		case kind == data.NumberColumn || kind == data.EmptyColumn && t.Columns[i] != "":
			if numbers = append(numbers, i); t.CountsRows(i) {
				counters = append(counters, i)
			}
		case kind == data.ListColumn:
			lists = append(lists, i)
		default:
			words = append(words, i)
		}
	}
	called := func(columns []int) string {
		var names []string
		for _, i := range columns {
			if name := t.Columns[i]; name != "" {
				names = append(names, name)
			} else {
				names = append(names, fmt.Sprintf("%d (without a name)", i+1))
			}
		}
		return few(names)
	}
	want := f.width()
	if named := slices.DeleteFunc(slices.Clone(counters), func(i int) bool { return !data.IsIndexName(t.Columns[i]) }); len(numbers)-len(named) == want {
		counters = named
	}
	rest := slices.DeleteFunc(slices.Clone(numbers), func(i int) bool { return slices.Contains(counters, i) })
	var left []int
	switch {
	case len(lists) == 1 && (len(numbers) != want || want == 1):
		at, left = lists, slices.Concat(numbers, words)
	case slices.ContainsFunc(counters, func(i int) bool { return data.IsIndexName(t.Columns[i]) && t.Rises(i) }) && len(numbers) <= want:
		return nil, nil, f.misses(t, label, called, rest, lists, words, fmt.Sprintf(" (not counting the column %s, which numbers the rows)", called(counters)))
	case len(numbers) == want:
		at, left = numbers, slices.Concat(lists, words)
		if len(counters) > 0 {
			notes = append(notes, fmt.Sprintf("%s: the column %s seems to number the rows, and is one of the %d numbers that the model gets: remove it if it says nothing", t.Path, called(counters), want))
		}
	case len(rest) == want:
		at, left = rest, slices.Concat(lists, words)
		notes = append(notes, fmt.Sprintf("%s: the column %s numbers the rows and is left out", t.Path, called(counters)))
	default:
		return nil, nil, f.misses(t, label, called, numbers, lists, words, "")
	}
	if slices.Sort(left); len(left) > 0 {
		notes = append(notes, fmt.Sprintf("%s: of no use to the model and left out: column %s", t.Path, called(left)))
	}
	return at, notes, nil
}

// misses is the error of a table whose columns of numbers are not as many as the model takes. But is
// what else to say of them.
func (f *Vectors) misses(t *data.Table, label int, called func([]int) string, numbers, lists, words []int, but string) error {
	var has []string
	if len(lists) > 0 {
		has = append(has, fmt.Sprintf("%s with several numbers a cell (%s)", count(len(lists), "column"), called(lists)))
	}
	if len(numbers) > 0 || len(lists) == 0 {
		names := ""
		if len(numbers) > 0 {
			names = " (" + called(numbers) + ")"
		}
		has = append(has, count(len(numbers), "column")+" of numbers"+names)
	}
	if len(words) > 0 {
		has = append(has, fmt.Sprintf("%s of texts (%s)", count(len(words), "column"), called(words)))
	}
	beside := but
	if label >= 0 {
		beside = " beside " + t.Columns[label] + but
	}
	mend := "give a column for each, in the model's order"
	if len(numbers) > f.width() {
		mend = fmt.Sprintf("leave in only those %d and the label, in the model's order", f.width())
	}
	return fmt.Errorf("data: %s has %s%s, and the model takes vectors, %s (%q %v): %s", t.Path, strings.Join(has, " and "), beside, count(f.width(), "number"), f.input.Name, f.input.Shape, mend)
}

// labelled reads a table of numbers and labels. It also says what is fed.
func (f *Vectors) labelled(ctx context.Context, p data.Place, classes []string, opt data.Options) (d *data.Dataset, fed string, err error) {
	t, err := data.ReadTable(p)
	if err != nil {
		return nil, "", err
	}
	columns := f.columns
	if p.Rows != nil {
		columns = data.Columns{}
	}
	label, err := t.Need("option label_column", labelColumns(columns)...)
	if err != nil {
		if row := namesAreNumbers(t); row != "" && columns.Label == "" && !t.Unnamed {
			err = fmt.Errorf("data: %s: line 1 (%s) seems to be a row: put a line with the names of the columns above, label among them", t.Path, row)
		}
		return nil, "", err
	}
	examples := make([]data.Example, len(t.Rows))
	for i, row := range t.Rows {
		examples[i] = data.Example{Path: fmt.Sprintf("%s:%d", p.Path, t.Lines[i]), Label: -1, Answer: strings.TrimSpace(row[label])}
	}
	a, err := data.ReadAnswers(t, examples, opt, classes)
	if err != nil {
		return nil, "", err
	}
	at, err := f.find(t, label)
	if err != nil {
		return nil, "", err
	}
	if columns.Label != "" && slices.Contains(at, label) {
		return nil, "", option.Errorf("label_column", "%s: the model was tuned on this column of %s as one of its numbers", columns.Label, t.Path)
	}
	r := f.reader(t, at)
	s := &vectors{feed: f, rows: tensor.New(f.input.DType, append(tensor.Shape{len(a.Kept)}, f.input.Shape...)...)}
	var kept []data.Example
	var skipped []data.Skipped
	for _, i := range a.Kept {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		switch err := r.read(i, s.rows, len(kept)); {
		case errors.Is(err, data.ErrMissing):
			skipped = append(skipped, data.Skipped{Path: examples[i].Path, Err: err})
		case err != nil:
			return nil, "", fmt.Errorf("data: %s, line %d, %w: mend it, or remove the row", t.Path, t.Lines[i], err)
		default:
			kept = append(kept, examples[i])
		}
	}
	if n := len(skipped); n*10 > len(t.Rows) {
		return nil, "", fmt.Errorf("data: %d of %d rows of %s have gaps, more than a tenth (the first: line %s, %w): fill them in, or remove the rows or the column",
			n, len(t.Rows), p.Path, skipped[0].Path[len(p.Path)+1:], skipped[0].Err)
	}
	d = data.New(p.Path, a.Classes, kept, s, vectorMedia, opt)
	d.Task, d.Skipped, d.Remarks = a.Task, skipped, append(a.Remarks, r.oddities(len(kept))...)
	return d, r.fed(), nil
}

// OpenInputs takes vectors in memory, or files that are tables of them: the columns by the names
// that the model was tuned on or, without a line of names, in the model's order. It skips rows that
// are not whole, and files that are no such tables.
func (f *Vectors) OpenInputs(ctx context.Context, p data.Place, opt data.Options) (*data.Dataset, error) {
	if p.Kind != "" {
		if err := suits(KindVector, opt.Table, p); err != nil {
			return nil, err
		}
	}
	if p.Rows == nil || len(p.Rows.Rows) == 0 {
		return nil, errors.New("data: nothing given to predict for")
	}
	var kept []data.Example
	var skipped []data.Skipped
	var parts []*tensor.Tensor
	var unread error // why the first file could not be read
	add := func(t *data.Table, name func(i int) string) error {
		at, err := f.find(t, t.Column(labelColumns(f.columns)...))
		if err != nil {
			return err
		}
		r := f.reader(t, at)
		rows := tensor.New(f.input.DType, append(tensor.Shape{len(t.Rows)}, f.input.Shape...)...)
		n := 0
		for i := range t.Rows {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.read(i, rows, n); err != nil {
				skipped = append(skipped, data.Skipped{Path: name(i), Err: err})
				continue
			}
			kept = append(kept, data.Example{Path: name(i), Label: -1})
			n++
		}
		rows.Bytes = rows.Bytes[:n*f.width()*f.input.DType.Size()]
		parts = append(parts, rows)
		return nil
	}
	if file := p.Rows.Column("file"); file >= 0 {
		for _, row := range p.Rows.Rows {
			place := p.At(row[file])
			t, err := f.inputTable(place)
			if err == nil {
				err = add(t, func(i int) string { return fmt.Sprintf("%s:%d", place.Path, t.Lines[i]) })
			}
			if err != nil {
				err = cmp.Or(suits(KindVector, opt.Table, place), err)
				unread = cmp.Or(unread, err)
				text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "data: "), place.Path)
				skipped = append(skipped, data.Skipped{Path: place.Path, Err: errors.New(strings.TrimLeft(text, " :"))})
			}
		}
	} else if err := add(p.Rows, func(i int) string { return p.Rows.Rows[i][p.Rows.Column("name")] }); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(kept) == 0 {
		return nil, cmp.Or(suits(KindVector, opt.Table, p), unread, fmt.Errorf("data: %s: %w", skipped[0].Path, skipped[0].Err))
	}
	s := &vectors{feed: f, rows: tensor.New(f.input.DType, append(tensor.Shape{len(kept)}, f.input.Shape...)...)}
	end := 0
	for _, rows := range parts {
		end += copy(s.rows.Bytes[end:], rows.Bytes)
	}
	d := data.New("", nil, kept, s, vectorMedia, opt)
	d.Skipped = skipped
	return d, nil
}

// inputTable reads a table to predict for.
func (f *Vectors) inputTable(p data.Place) (*data.Table, error) {
	if err := data.Readable(p); err != nil {
		return nil, err
	}
	return data.ReadTable(p)
}

// vectorReader turns rows of a table into vectors.
type vectorReader struct {
	feed  *Vectors
	table *data.Table
	at    []int // columns
	write func(*tensor.Tensor, int, float64) error
	cell  []float64 // the numbers of the last one

	least, most float64   // of what is fed
	loud        [2]number // the largest, and the largest of other rows
}

// number is a number of a table, and where it stands.
type number struct {
	size        float64 // without its sign
	row, column int
}

func (f *Vectors) reader(t *data.Table, at []int) *vectorReader {
	return &vectorReader{feed: f, table: t, at: at, write: vectorType(f.input.DType), least: math.Inf(1), most: math.Inf(-1)}
}

// read writes row i of the table as vector k. Its errors name the column.
func (r *vectorReader) read(i int, to *tensor.Tensor, k int) error {
	width, n := r.feed.width(), 0
	var loud number
	for _, column := range r.at {
		numbers, err := r.table.AppendNumbers(r.cell[:0], i, column)
		r.cell = numbers
		if err != nil {
			return fmt.Errorf("column %s: %w", r.name(column), err)
		}
		if len(r.at) == width && len(numbers) != 1 && width > 1 {
			return fmt.Errorf("column %s: %d numbers in one cell", r.name(column), len(numbers))
		}
		for _, v := range numbers {
			if n == width {
				return r.wrong(n + 1)
			}
			v = (v - r.feed.scale.Mean.at(n, 0)) / r.feed.scale.Std.at(n, 1)
			if err := r.write(to, k*width+n, v); err != nil {
				return fmt.Errorf("column %s: %w", r.name(column), err)
			}
			if size := math.Abs(v); size > loud.size {
				loud = number{size, i, column}
			}
			r.least, r.most = min(r.least, v), max(r.most, v)
			n++
		}
	}
	if n < width {
		return r.wrong(n)
	}
	switch {
	case loud.size > r.loud[0].size:
		r.loud = [2]number{loud, r.loud[0]}
	case loud.size > r.loud[1].size:
		r.loud[1] = loud
	}
	return nil
}

func (r *vectorReader) name(column int) string {
	if name := r.table.Columns[column]; name != "" {
		return name
	}
	return fmt.Sprint(column + 1)
}

// wrong is the error of a row with another number of numbers than the model takes.
func (r *vectorReader) wrong(n int) error {
	where := ""
	if len(r.at) == 1 {
		where = fmt.Sprintf("column %s: ", r.name(r.at[0]))
	}
	if n > r.feed.width() {
		return fmt.Errorf("%smore numbers than the %d that the model takes", where, r.feed.width())
	}
	return fmt.Errorf("%s%s, and the model takes %d", where, count(n, "number"), r.feed.width())
}

// outlier is how many times larger than all numbers of other rows one is that is said.
const outlier = 1000

// fed says in a line what the model gets.
func (r *vectorReader) fed() string {
	how := "as they are"
	if r.feed.scale.Mean != nil || r.feed.scale.Std != nil {
		how = "after the mean and the deviation of the preprocessor file"
	}
	return fmt.Sprintf("%s: rows of %s, from %.4g to %.4g, are fed %s (%s: %s)", r.table.Path, count(r.feed.width(), "number"), r.least, r.most, how, count(len(r.at), "column"), few(pick(r.table.Columns, r.at)))
}

// oddities are what a user should know of the numbers.
func (r *vectorReader) oddities(rows int) (out []string) {
	if r.table.DecimalCommas() {
		out = append(out, fmt.Sprintf("%s: commas in numbers are read as decimal points", r.table.Path))
	}
	if a := r.loud[0]; rows > 2 && a.size > outlier*r.loud[1].size && r.loud[1].size > 0 {
		out = append(out, fmt.Sprintf("%s, line %d, column %s: the number is more than %d times as large as any in the other rows: it may be damaged", r.table.Path, r.table.Lines[a.row], r.name(a.column), outlier))
	}
	return out
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
