package data

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// A table of files has a column file, with paths relative to the table, and a column label. Without
// labels, a column text holds transcripts.

// openTables reads tables of files for training, like Open for class folders.
func openTables(ctx context.Context, parts Splits, m *Media, opt Options) (train, val *Dataset, err error) {
	trainPlace, valPlace := parts.Train, parts.Val
	o := open(trainPlace, m, opt)
	if train, err = o.table(trainPlace, nil, opt.Task, true); err != nil {
		return nil, nil, err
	}
	if !valPlace.IsZero() {
		if val, err = o.in(valPlace).table(valPlace, train.Classes, train.Task, false); err != nil {
			return nil, nil, err
		}
	}
	train.Remarks = append(train.Remarks, parts.Remarks()...)
	if err := train.check(ctx); err != nil {
		return nil, nil, err
	}
	if val != nil {
		return train, val, val.check(ctx)
	}
	whole := train
	if train, val = whole.Split(opt.Seed); val.Len() == 0 {
		return nil, nil, whole.TooFew(trainPlace.Path)
	}
	return train, val, nil
}

// table lists the files of a table. classes are those of training; nil takes them from the table.
func (o *opened) table(p Place, classes []string, task string, varied bool) (*Dataset, error) {
	t, err := ReadTable(p)
	if err != nil {
		return nil, err
	}
	file, err := t.Need("", "file")
	if err != nil {
		return nil, err
	}
	columns := o.opt.Table
	if p.Rows != nil {
		columns = Columns{}
	}
	labels, texts := columnNames(columns.Label, "label"), columnNames(columns.Text, "text")
	if p.Rows != nil { // there a transcript is a label
		texts = labels
	}
	label := t.Column(labels...)
	own := inTexts(task)
	if text := t.Column(texts...); text >= 0 && own != "" && (task == own || label < 0) {
		task, label = own, text
	} else if columns.Text != "" {
		return nil, option.Errorf("text_column", "%s: the examples of %s are files, and no column of texts is read; leave it out", columns.Text, p.Path)
	}
	if label < 0 {
		if task != "" && task == own {
			labels = texts
		}
		_, err := t.Need("option label_column", labels...)
		return nil, err
	}
	examples := make([]Example, len(t.Rows))
	for i, row := range t.Rows {
		name := row[file]
		if name == "" {
			return nil, fmt.Errorf("data: %s, line %d: the column file is empty", p.Path, t.Lines[i])
		}
		examples[i] = Example{Path: p.beside(name), Label: -1, Answer: strings.TrimSpace(row[label])}
	}
	opt := o.opt
	opt.Task = task
	a, err := ReadAnswers(t, examples, opt, classes)
	if err != nil {
		return nil, err
	}
	kept := make([]Example, len(a.Kept))
	for k, i := range a.Kept {
		kept[k] = examples[i]
	}
	d := o.dataset(p.Path, a.Classes, kept, a.Task, varied)
	d.Remarks = a.Remarks
	return d, nil
}

// beside returns the path of a file that a table names.
func (p Place) beside(name string) string {
	switch {
	case p.Rows != nil:
		return name
	case p.FS != nil:
		return path.Join(path.Dir(p.Path), name)
	case filepath.IsAbs(name):
		return name
	}
	return filepath.Join(filepath.Dir(p.Path), filepath.FromSlash(name))
}

func columnNames(given, usual string) []string {
	if given != "" {
		return []string{given}
	}
	return []string{usual}
}
