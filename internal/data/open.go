package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Open reads class folders of pictures, or with opt.Sounds of sounds, for training: path/train and path/val where both exist; else path, and for
// validation opt.Val or, where that is "", a tenth of each class that opt.Seed picks. Tables of files are read likewise. For a task other than
// classify a folder's name is the answer to what lies in it. Errors say what is wrong, where, and how to mend it.
func Open(ctx context.Context, path string, opt Options) (train, val *Dataset, err error) {
	if t, v, ok := FindTables(path, opt.Val); ok {
		return openTables(ctx, t, v, opt)
	}
	trainPath, valPath, split := splitFolders(path)
	if !split {
		trainPath, valPath = path, ""
	}
	if opt.Val != "" {
		valPath = opt.Val
		if _, v, ok := splitFolders(opt.Val); ok {
			valPath = v
		}
	}
	f, err := readFolder(trainPath, opt.media())
	if err != nil {
		return nil, nil, err
	}
	classes := make([]string, len(f.classes))
	for i, c := range f.classes {
		classes[i] = c.name
	}
	if opt.Task == "" {
		opt.Task = FindTask(classes)
		if opt.Task == "regress" { // numbers are names of folders as good as any
			opt.Task = "classify"
		}
	}
	switch {
	case len(classes) == 1 && classes[0] == "train":
		return nil, nil, fmt.Errorf("data: %s has a folder train but none named val: add it, or give %s/train", path, path)
	case len(classes) == 1 && opt.Task == "classify":
		return nil, nil, fmt.Errorf("data: %s has one class only (%s): training needs at least two folders of %s", trainPath, classes[0], f.media.many)
	}
	if train, err = labelled(trainPath, f, classes, opt); err != nil {
		return nil, nil, err
	}
	train.augment, train.whole = opt.Augment, opt.Augment != nil
	train.vary()
	if valPath != "" { // before any picture is decoded: a wrong folder is told at once
		if val, err = openLabelled(valPath, classes, opt); err != nil {
			return nil, nil, err
		}
		val.shareMemory(train)
	}
	if err := train.check(ctx); err != nil {
		return nil, nil, err
	}
	for c, n := range train.Counts() {
		if n == 0 && train.Task == "classify" {
			return nil, nil, fmt.Errorf("data: class %s of %s has no undamaged %s (%v): repair or remove it",
				classes[c], trainPath, f.media.one, train.Skipped[0].Err)
		}
	}
	if val != nil {
		return train, val, val.check(ctx)
	}
	if train, val = train.Split(opt.Seed); val.Len() == 0 {
		return nil, nil, fmt.Errorf("data: no class of %s has two %s, so none can be held out: give a validation folder", trainPath, f.media.many)
	}
	return train, val, nil
}

// Split holds out a tenth of the examples for validation, of each class where there are classes, picked by seed.
func (d *Dataset) Split(seed uint64) (train, val *Dataset) {
	rest, held := holdOut(d, seed)
	val = d.subset(held)
	val.HeldOut, val.plain, val.augment, val.Skipped, val.other = true, true, nil, nil, nil
	val.Remarks = nil
	return d.subset(rest), val
}

// OpenEval reads class folders for a model whose classes are known: path/val where path/train and path/val exist, else path.
func OpenEval(ctx context.Context, path string, classes []string, opt Options) (*Dataset, error) {
	if t, v, ok := FindTables(path, ""); ok {
		d, err := readFileTable(cmp.Or(v, t), classes, opt)
		if err != nil {
			return nil, err
		}
		return d, d.check(ctx)
	}
	if _, v, ok := splitFolders(path); ok {
		path = v
	}
	d, err := openLabelled(path, classes, opt)
	if err != nil {
		return nil, err
	}
	return d, d.check(ctx)
}

// OpenFiles makes a Dataset of single files without labels. A damaged one is skipped; it is an error when all are.
func OpenFiles(ctx context.Context, files []string, opt Options) (*Dataset, error) {
	if len(files) == 0 {
		return nil, errors.New("data: no file given")
	}
	examples := make([]Example, len(files))
	for i, f := range files {
		examples[i] = Example{Path: f, Label: -1}
	}
	d := newDataset("", nil, examples, opt)
	good, err := d.findDamaged(ctx)
	if err != nil {
		return nil, err
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("data: %s: %w", d.Skipped[0].Path, d.Skipped[0].Err)
	}
	return d.subset(good), nil
}

// openLabelled lists the class folders of path.
func openLabelled(path string, classes []string, opt Options) (*Dataset, error) {
	f, err := readFolder(path, opt.media())
	if err != nil {
		return nil, err
	}
	return labelled(path, f, classes, opt)
}

// labelled makes the Dataset of a folder, whose classes must be among the given ones.
func labelled(path string, f *folder, classes []string, opt Options) (*Dataset, error) {
	var examples []Example
	for _, c := range f.classes {
		if opt.Task != "" && opt.Task != "classify" {
			for _, file := range c.files {
				examples = append(examples, Example{Path: file, Label: -1, Answer: c.name})
			}
			continue
		}
		l := slices.Index(classes, c.name)
		if l < 0 {
			return nil, fmt.Errorf("data: class %s of %s is none that training saw (%s): rename or remove the folder", c.name, path, list(classes))
		}
		for _, file := range c.files {
			examples = append(examples, Example{Path: file, Label: l})
		}
	}
	if opt.Task != "" && opt.Task != "classify" {
		classes = nil
	}
	d := newDataset(path, classes, examples, opt)
	d.Task, d.other = opt.Task, f.other
	return d, nil
}

// list joins names, the first few of many.
func list(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// holdOut splits the indices of d: of each class a tenth, rounded, at least one and never the only one, picked by seed. Both parts keep d's order.
func holdOut(d *Dataset, seed uint64) (rest, held []int) {
	byClass := make([][]int, max(1, len(d.Classes)))
	for i, e := range d.Examples {
		byClass[max(0, e.Label)] = append(byClass[max(0, e.Label)], i)
	}
	for c, of := range byClass {
		n := 0
		if len(of) > 1 {
			n = max(1, (len(of)+5)/10)
		}
		order := random(seed, Plain, c).Perm(len(of))
		for k, p := range order {
			if k < n {
				held = append(held, of[p])
			} else {
				rest = append(rest, of[p])
			}
		}
	}
	slices.Sort(rest)
	slices.Sort(held)
	return rest, held
}
