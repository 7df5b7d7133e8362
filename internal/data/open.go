package data

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Open reads class folders for training. If folders in p have the usual names of splits, it uses
// these, and ignores a test split. Otherwise it trains on p and validates on opt.Val or, if that is
// none, on a tenth of each class, picked by opt.Seed. Tables of files are read likewise. For a task
// other than classify, a folder's name is the answer for the files in it. Errors say what is wrong,
// where, and how to mend it.
func Open(ctx context.Context, p Place, m *Media, opt Options) (train, val *Dataset, err error) {
	tables, err := FindTables(p, opt.Val, opt.Table)
	if err != nil {
		return nil, nil, err
	}
	if !tables.Train.IsZero() {
		return openTables(ctx, tables, m, opt)
	}
	if err := opt.Table.unused(p); err != nil {
		return nil, nil, err
	}
	parts, err := trainingFolders(p, m, opt.Val)
	if err != nil {
		return nil, nil, err
	}
	trainPlace, valPlace := parts.Train, parts.Val
	f, err := readFolder(trainPlace, m)
	if err != nil {
		return nil, nil, err
	}
	classes, err := classNames(trainPlace.Path, f.names())
	if err != nil {
		return nil, nil, err
	}
	if opt.Task == "" {
		opt.Task = FindTask(classes, true)
	}
	switch {
	case len(classes) == 1 && answersOf(opt.Task).Classes && (opt.Own == nil || !opt.Own.Exact):
		return nil, nil, fmt.Errorf("data: %s has one class only (%s): training needs at least two folders of %s", trainPlace.Path, classes[0], m.Many)
	}
	remarks := append(parts.Remarks(), f.remarks(trainPlace)...)
	if opt.Own != nil && answersOf(opt.Task).Classes {
		var said []string
		if classes, said, err = opt.Own.order(trainPlace.Path, classes); err != nil {
			return nil, nil, err
		}
		remarks = append(remarks, said...)
	}
	o := open(trainPlace, m, opt)
	if train, err = o.labelled(trainPlace, f, classes, true); err != nil {
		return nil, nil, err
	}
	// before any file is decoded, so that a wrong folder is reported at once
	if !valPlace.IsZero() {
		if val, err = o.in(valPlace).labelledFolder(valPlace, classes); err != nil {
			return nil, nil, err
		}
	}
	train.Remarks = append(train.Remarks, remarks...)
	if err := train.check(ctx); err != nil {
		return nil, nil, err
	}
	for c, n := range train.Counts() {
		if n == 0 && answersOf(train.Task).Classes && slices.ContainsFunc(f.classes, func(of class) bool { return classOf(classes, of.name) == c }) {
			return nil, nil, fmt.Errorf("data: class %s of %s has no undamaged %s (%v): repair or remove it",
				classes[c], trainPlace.Path, m.One, train.Skipped[0].Err)
		}
	}
	if val != nil {
		return train, val, val.check(ctx)
	}
	if train, val = train.Split(opt.Seed); val.Len() == 0 {
		return nil, nil, fmt.Errorf("data: no class of %s has two %s, so none can be held out: give a validation folder", trainPlace.Path, m.Many)
	}
	return train, val, nil
}

// TooFew is the error of a table at a path of which Split holds nothing out: no class has two rows.
func (d *Dataset) TooFew(path string) error {
	const some = 5 // of fewer labels nothing can be told
	if d.Len() < some || len(d.Classes) != d.Len() {
		return fmt.Errorf("data: %s has too few rows to hold any out: give a validation table", path)
	}
	for _, t := range tasks {
		switch {
		case t.Like == nil:
		case slices.ContainsFunc(d.Classes, func(c string) bool { return !t.Like(c) }):
			return fmt.Errorf("data: %s: all %d labels are different (%s), so that they are no classes to learn: if they are amounts, write them as plain numbers, as 1234.5, and give option task %s; else name a column of classes by option label_column, or give each class several rows", path, d.Len(), list(d.Classes), t.task)
		default:
			return fmt.Errorf("data: %s: all %d labels are different numbers (%s), so that they are no classes to learn: give option task %s, which takes them for amounts; else name a column of classes by option label_column, or give each class several rows", path, d.Len(), list(d.Classes), t.task)
		}
	}
	return fmt.Errorf("data: %s: all %d labels are different (%s): give each class several rows", path, d.Len(), list(d.Classes))
}

// OpenEval reads class folders for a model with known classes; with opt.Own these are the model's
// own. If p has splits, it uses the test split, or else the validation split; Dataset.Part says
// which. Otherwise it uses p.
func OpenEval(ctx context.Context, p Place, classes []string, m *Media, opt Options) (*Dataset, error) {
	o := open(p, m, opt)
	if opt.Own != nil {
		classes = opt.Own.Names
	}
	part, err := EvalTable(p, opt.Table)
	if err != nil {
		return nil, err
	}
	var d *Dataset
	if !part.IsZero() {
		d, err = o.table(part.Place, classes, opt.Task, false)
	} else {
		if err := opt.Table.unused(p); err != nil {
			return nil, err
		}
		if part, err = evalFolder(p, m, classes); err != nil {
			return nil, err
		}
		d, err = o.labelledFolder(part.Place, classes)
	}
	if d, err = part.Opened(d, err); err != nil {
		return nil, err
	}
	return d, d.check(ctx)
}

// OpenInputs makes a Dataset of the files that rows name, without labels. It skips damaged files,
// and errors if all are damaged.
func OpenInputs(ctx context.Context, p Place, m *Media, opt Options) (*Dataset, error) {
	if p.Rows == nil || len(p.Rows.Rows) == 0 {
		return nil, errors.New("data: no file given")
	}
	file, err := p.Rows.Need("", "file")
	if err != nil {
		return nil, err
	}
	examples := make([]Example, len(p.Rows.Rows))
	for i, row := range p.Rows.Rows {
		examples[i] = Example{Path: row[file], Label: -1}
	}
	d := open(p, m, opt).dataset("", nil, examples, "", false)
	good, err := d.findDamaged(ctx)
	if err != nil {
		return nil, err
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("data: %s: %w", d.Skipped[0].Path, d.Skipped[0].Err)
	}
	return d.subset(good), nil
}

// in returns the same for the examples to measure by, which may be in another file system, with the
// same budget.
func (o *opened) in(p Place) *opened {
	other := *o
	other.fs, other.opt = p.files(), o.opt.Measuring()
	return &other
}

// labelledFolder lists the class folders of p.
func (o *opened) labelledFolder(p Place, classes []string) (*Dataset, error) {
	f, err := readFolder(p, o.media)
	if err != nil {
		return nil, err
	}
	var remarks []string
	if o.opt.Own != nil && o.opt.Own.Exact && answersOf(o.opt.Task).Classes {
		if classes, remarks, err = o.opt.Own.match(p.Path, f.names()); err != nil {
			return nil, err
		}
	}
	d, err := o.labelled(p, f, classes, false)
	if err == nil {
		d.Remarks = append(d.Remarks, remarks...)
	}
	return d, err
}

// labelled makes the Dataset of a folder. Its classes must be among the given ones.
func (o *opened) labelled(p Place, f *folder, classes []string, varied bool) (*Dataset, error) {
	var examples []Example
	task := o.opt.Task
	for _, c := range f.classes {
		if !answersOf(task).Classes {
			for _, file := range c.files {
				examples = append(examples, Example{Path: file, Label: -1, Answer: c.name})
			}
			continue
		}
		l := classOf(classes, c.name)
		if l < 0 {
			return nil, fmt.Errorf("data: class %s of %s is none that training saw (%s): rename or remove the folder", c.name, p.Path, list(classes))
		}
		for _, file := range c.files {
			examples = append(examples, Example{Path: file, Label: l})
		}
	}
	if !answersOf(task).Classes {
		classes = nil
	}
	said, err := groupFiles(p.Path, examples, o.opt)
	if err != nil {
		return nil, err
	}
	d := o.dataset(p.Path, classes, examples, task, varied)
	d.other, d.Remarks = f.other, said
	return d, nil
}

// list joins the first few of several names.
func list(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
