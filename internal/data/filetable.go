package data

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A table of files has a column file, with paths relative to the table, and a column label; without one, a column text holds transcripts.

// openTables reads tables of files for training, as Open does class folders.
func openTables(ctx context.Context, trainPath, valPath string, opt Options) (train, val *Dataset, err error) {
	if train, err = readFileTable(trainPath, nil, opt); err != nil {
		return nil, nil, err
	}
	opt.Task = train.Task
	train.augment, train.whole = opt.Augment, opt.Augment != nil
	train.vary()
	if valPath != "" {
		if val, err = readFileTable(valPath, train.Classes, opt); err != nil {
			return nil, nil, err
		}
		val.shareMemory(train)
	}
	if err := train.check(ctx); err != nil {
		return nil, nil, err
	}
	if val != nil {
		return train, val, val.check(ctx)
	}
	if train, val = train.Split(opt.Seed); val.Len() == 0 {
		return nil, nil, fmt.Errorf("data: %s has too few rows to hold any out: give a validation table", trainPath)
	}
	return train, val, nil
}

// readFileTable lists the files of a table. Classes are those of training, nil to take them from the table.
func readFileTable(path string, classes []string, opt Options) (*Dataset, error) {
	t, err := ReadTable(path)
	if err != nil {
		return nil, err
	}
	file, err := t.Need("", "file")
	if err != nil {
		return nil, err
	}
	label := t.Column(labelNames(opt)...)
	task := opt.Task
	if text := t.Column(textNames(opt)...); text >= 0 && (task == "ctc" || label < 0 && task == "") {
		task, label = "ctc", text
	}
	if label < 0 {
		names := labelNames(opt)
		if task == "ctc" {
			names = textNames(opt)
		}
		_, err := t.Need("option label_column", names...)
		return nil, err
	}
	examples := make([]Example, len(t.Rows))
	for i, row := range t.Rows {
		p := row[file]
		if p == "" {
			return nil, fmt.Errorf("data: %s, line %d: the column file is empty", path, t.Lines[i])
		}
		if !filepath.IsAbs(p) {
			p = filepath.Join(filepath.Dir(path), filepath.FromSlash(p))
		}
		examples[i] = Example{Path: p, Label: -1, Answer: strings.TrimSpace(row[label])}
	}
	if task, classes, err = Answers(t, examples, task, classes); err != nil {
		return nil, err
	}
	d := newDataset(path, classes, examples, opt)
	d.Task = task
	return d, nil
}

func labelNames(opt Options) []string {
	if opt.Table.Label != "" {
		return []string{opt.Table.Label}
	}
	return []string{"label"}
}

func textNames(opt Options) []string {
	if opt.Table.Text != "" {
		return []string{opt.Table.Text}
	}
	return []string{"text"}
}

// Answers looks over the answers of a table's examples, one a row: it finds the task where it is "", and of classify the classes, where they
// are nil, and every example's. It errors, naming the line, on an answer that the task does not take.
func Answers(t *Table, examples []Example, task string, classes []string) (string, []string, error) {
	if task == "" {
		var answers []string
		for _, e := range examples {
			answers = append(answers, e.Answer)
		}
		task = FindTask(answers)
	}
	for i, e := range examples {
		if e.Answer == "" && (task == "classify" || task == "regress") {
			return "", nil, fmt.Errorf("data: %s, line %d: the label is empty", t.Path, t.Lines[i])
		}
	}
	if task != "classify" {
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
