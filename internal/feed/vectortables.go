package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Open reads tables of numbers and labels.
func (f *Vectors) Open(ctx context.Context, p data.Place, opt data.Options) (train, val *data.Dataset, err error) {
	if err := suits(KindVector, opt.Table, p, opt.Val); err != nil {
		return nil, nil, err
	}
	parts, err := data.FindTables(p, opt.Val, opt.Table)
	if err != nil {
		return nil, nil, err
	}
	if parts.Train.IsZero() {
		return nil, nil, fmt.Errorf("data: %s: the model takes vectors: give %s, or a folder with train.csv and val.csv", p.Path, giveOf(KindVector))
	}
	said := ""
	train, val, err = openRows(parts, opt, func(p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
		d, fed, err := f.labelled(ctx, p, classes, opt)
		said = cmp.Or(said, fed)
		return d, err
	})
	if err == nil {
		train.Remarks = append([]string{said}, train.Remarks...)
	}
	return train, val, err
}

// OpenEval reads a table of numbers and labels for a model with known classes.
func (f *Vectors) OpenEval(ctx context.Context, p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
	if err := suits(KindVector, opt.Table, p); err != nil {
		return nil, err
	}
	t, err := data.EvalTable(p, opt.Table)
	if err != nil {
		return nil, err
	}
	if t.IsZero() {
		return nil, fmt.Errorf("data: %s: the model takes vectors: give %s, or a folder with val.csv", p.Path, giveOf(KindVector))
	}
	d, _, err := f.labelled(ctx, t.Place, classes, opt)
	return t.Opened(d, err)
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
