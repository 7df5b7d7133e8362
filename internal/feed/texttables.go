package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// A table of texts has a column text, or columns text_a and text_b for pairs, and a column label.

func (f *Texts) Open(ctx context.Context, p data.Place, opt data.Options) (train, val *data.Dataset, err error) {
	if err := suits(KindText, opt.Table, p, opt.Val); err != nil {
		return nil, nil, err
	}
	if train, val, ok, err := f.openBlocks(ctx, p, opt); ok {
		return train, val, err
	}
	parts, err := data.FindTables(p, opt.Val, opt.Table)
	if err != nil {
		return nil, nil, err
	}
	if parts.Train.IsZero() {
		return nil, nil, fmt.Errorf("data: %s: the model takes texts: give a CSV, TSV or JSONL table, or a folder with train.csv and val.csv; a .txt file, or a folder with train.txt and val.txt, for the task lm", p.Path)
	}
	return openRows(parts, opt, func(p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
		return f.table(ctx, p, classes, opt)
	})
}

// openRows reads tables whose rows are examples, first those to train with. Without a validation
// table it holds rows out.
func openRows(parts data.Splits, opt data.Options, read func(p data.Place, classes []string, opt data.Options) (*data.Dataset, error)) (train, val *data.Dataset, err error) {
	if train, err = read(parts.Train, nil, opt); err != nil {
		return nil, nil, err
	}
	train.Remarks = append(train.Remarks, parts.Remarks()...)
	if parts.Val.IsZero() {
		whole := train
		if train, val = whole.Split(opt.Seed); val.Len() == 0 {
			return nil, nil, whole.TooFew(parts.Train.Path)
		}
		return train, val, nil
	}
	opt = opt.Measuring()
	opt.Task = train.Task
	val, err = read(parts.Val, train.Classes, opt)
	return train, val, err
}

func (f *Texts) OpenEval(ctx context.Context, p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
	if err := suits(KindText, opt.Table, p); err != nil {
		return nil, err
	}
	t, err := data.EvalTable(p, opt.Table)
	if task.LearnsTokens(opt.Task) && err == nil {
		if plain, e := evalPlain(p); e != nil || !plain.IsZero() {
			t, err = plain, e
		}
	}
	if err != nil {
		return nil, err
	}
	if t.IsZero() {
		return nil, fmt.Errorf("data: %s: the model takes texts: give a CSV, TSV or JSONL table, or a folder with val.csv; a .txt file, or a folder with val.txt, for the task lm", p.Path)
	}
	var d *data.Dataset
	if task.LearnsTokens(opt.Task) {
		d, err = f.blocks(ctx, t.Place, opt)
	} else {
		d, err = f.table(ctx, t.Place, classes, opt)
	}
	return t.Opened(d, err)
}

// table reads a table of texts and labels. It skips rows without a text.
func (f *Texts) table(ctx context.Context, p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
	t, err := data.ReadTable(p)
	if err != nil {
		return nil, err
	}
	columns := f.columnsOf(p)
	inputs, err := columns.inputs(t)
	if err != nil {
		return nil, err
	}
	label, err := t.Need("option label_column", cmp.Or(columns.Label, "label"))
	if err != nil {
		return nil, err
	}
	examples := make([]data.Example, len(t.Rows))
	for i, row := range t.Rows {
		examples[i] = data.Example{Path: fmt.Sprintf("%s:%d", p.Path, t.Lines[i]), Label: -1, Answer: strings.TrimSpace(row[label]), Text: inputs[i].String()}
	}
	a, err := data.ReadAnswers(t, examples, opt, classes)
	if err != nil {
		return nil, err
	}
	d, err := f.dataset(ctx, p.Path, a.Classes, pick(examples, a.Kept), pick(inputs, a.Kept), opt)
	if err != nil {
		return nil, err
	}
	d.Task, d.Remarks = a.Task, append(a.Remarks, d.Remarks...)
	if n := len(d.Skipped); n*10 > len(t.Rows) {
		return nil, fmt.Errorf("data: %d of %d texts in %s cannot be used, more than a tenth (the first: %s: %w): mend or remove them", n, len(t.Rows), p.Path, d.Skipped[0].Path, d.Skipped[0].Err)
	}
	return d, nil
}

// pick is the elements at some indices.
func pick[T any](all []T, indices []int) []T {
	out := make([]T, len(indices))
	for k, i := range indices {
		out[k] = all[i]
	}
	return out
}

// textColumns are the names of a table's columns.
type textColumns data.Columns

// columnsOf returns the column names of a place. Rows in memory have the default names.
func (f *Texts) columnsOf(p data.Place) textColumns {
	if p.Rows != nil {
		return textColumns{}
	}
	return textColumns(f.columns)
}

// find returns the column of texts, and the second column for pairs or -1.
func (c textColumns) find(t *data.Table) (text, second int, err error) {
	if a, b, ok := strings.Cut(c.Text, ","); ok {
		if text, err = t.Need("option text_column", a); err != nil {
			return 0, 0, err
		}
		second, err = t.Need("option text_column", b)
		return text, second, err
	}
	if c.Text == "" {
		if text, second = t.Column("text_a"), t.Column("text_b"); text >= 0 && second >= 0 {
			return text, second, nil
		}
	}
	text, err = t.Need("option text_column", cmp.Or(c.Text, "text"))
	return text, -1, err
}

// input is one text or a pair.
type input struct {
	text string
	pair *string
}

// String returns the texts, separated by a tab.
func (in input) String() string {
	if in.pair == nil {
		return in.text
	}
	return in.text + "\t" + *in.pair
}

// inputs returns the texts of a table's rows.
func (c textColumns) inputs(t *data.Table) ([]input, error) {
	text, second, err := c.find(t)
	if err != nil {
		return nil, err
	}
	out := make([]input, len(t.Rows))
	for i, row := range t.Rows {
		out[i].text = row[text]
		if second >= 0 {
			out[i].pair = &row[second]
		}
	}
	return out, nil
}

// lines are files of one text a line.
var lines = &data.Media{One: "text file", Many: "text files", Formats: "txt", Extensions: plainFormats}

func (f *Texts) FindFiles(paths []string) ([]string, error) { return data.FindFiles(paths, lines) }

// OpenInputs takes rows of text, or files that are tables of texts. The texts of a pair are in two
// columns, or separated by a tab.
func (f *Texts) OpenInputs(ctx context.Context, p data.Place, opt data.Options) (*data.Dataset, error) {
	if err := suits(KindText, opt.Table, p); err != nil {
		return nil, err
	}
	inputs, err := f.given(p)
	if err != nil {
		return nil, err
	}
	examples := make([]data.Example, len(inputs))
	for i, in := range inputs {
		examples[i] = data.Example{Path: in.text, Label: -1}
		if a, b, ok := strings.Cut(in.text, "\t"); ok && in.pair == nil && f.pairs() {
			inputs[i] = input{a, &b}
		}
	}
	d, err := f.dataset(ctx, "", nil, examples, inputs, opt)
	if err == nil && d.Len() == 0 {
		err = errors.New("data: no text given")
		if len(d.Skipped) > 0 {
			err = fmt.Errorf("data: no text can be used: %w", d.Skipped[0].Err)
		}
	}
	return d, err
}

// given returns the texts of rows in memory, or of the tables that they name.
func (f *Texts) given(p data.Place) (all []input, err error) {
	file := p.Rows.Column("file")
	if file < 0 {
		return textColumns{}.inputs(p.Rows)
	}
	for _, row := range p.Rows.Rows {
		place := p.At(row[file])
		if err := cmp.Or(data.Readable(place), suits(KindText, f.columns, place)); err != nil {
			return nil, err
		}
		if !data.IsTable(place) {
			return nil, fmt.Errorf("data: %s is no table (CSV, TSV, JSONL) of texts", place.Path)
		}
		t, err := data.ReadTable(place)
		if err != nil {
			return nil, err
		}
		inputs, err := f.columnsOf(place).inputs(t)
		if err != nil {
			return nil, err
		}
		all = append(all, inputs...)
	}
	return all, nil
}

// pairs reports whether the model distinguishes the texts of a pair.
func (f *Texts) pairs() bool {
	return slices.Contains(f.roles, TokenType) || strings.Contains(f.columns.Text, ",")
}
