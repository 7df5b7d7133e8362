package data

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A table of files has a column file, with paths relative to the table, and a column label; without
// one, a column text holds transcripts.

// openTables reads tables of files for training, as Open does class folders.
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
	if train, val = train.Split(opt.Seed); val.Len() == 0 {
		return nil, nil, fmt.Errorf("data: %s has too few rows to hold any out: give a validation table", trainPlace.Path)
	}
	return train, val, nil
}

// table lists the files of a table. Classes are those of training, nil to take them from the table.
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
	if task, classes, err = ReadAnswers(t, examples, task, classes); err != nil {
		return nil, err
	}
	return o.dataset(p.Path, classes, examples, task, varied), nil
}

// beside is the path of a file that a table names.
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

// ReadAnswers looks over the answers of a table's examples, one a row: it finds the task where it
// is "", and of classify the classes, where they are nil, and every example's. It errors, naming
// the line, on an answer that the task does not take.
func ReadAnswers(t *Table, examples []Example, task string, classes []string) (string, []string, error) {
	if task == "" {
		var answers []string
		for _, e := range examples {
			answers = append(answers, e.Answer)
		}
		task = FindTask(answers, false)
	}
	kind := answersOf(task)
	for i, e := range examples {
		if e.Answer == "" && !kind.Empty {
			return "", nil, fmt.Errorf("data: %s, line %d: the label is empty", t.Path, t.Lines[i])
		}
	}
	if !kind.Classes {
		return task, nil, nil
	}
	if classes == nil {
		for _, e := range examples {
			classes = append(classes, e.Answer)
		}
		slices.Sort(classes)
		if classes = slices.Compact(classes); len(classes) == 1 {
			return "", nil, fmt.Errorf("data: %s has one label only (%s): training needs at least two", t.Path, classes[0])
		}
	}
	for i := range examples {
		if examples[i].Label = slices.Index(classes, examples[i].Answer); examples[i].Label < 0 {
			return "", nil, fmt.Errorf("data: %s, line %d: the label %q is none that training saw (%s)", t.Path, t.Lines[i], examples[i].Answer, list(classes))
		}
	}
	return task, classes, nil
}
