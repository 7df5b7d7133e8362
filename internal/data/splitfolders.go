package data

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// splitFolders finds the splits of a folder of folders. There are none where the folders are
// classes. Where folders named like splits could be either, it errors. Classes are those that are
// known, if any.
func splitFolders(root Place, m *Media, classes []string) (Splits, error) {
	if root.Rows != nil || !root.IsDir() {
		return Splits{}, nil
	}
	entries, err := readDir(root, m)
	if err != nil {
		return Splits{}, err
	}
	var named []Place // like splits
	var names, others []string
	layered := false
	for _, e := range entries {
		p := root.Join(e.Name())
		if splitOf(e.Name()) == noSplit || slices.Contains(classes, e.Name()) || !p.IsDir() {
			continue
		}
		named, names = append(named, p), append(names, e.Name())
		layered = layered || hasClassFolders(p, m)
	}
	if len(named) == 0 || len(named) == 1 && !layered { // a class of trains is no split
		return Splits{}, nil
	}
	for _, e := range entries {
		if p := root.Join(e.Name()); !slices.Contains(names, e.Name()) && p.IsDir() && holds(p, m, 0) {
			others = append(others, e.Name())
		}
	}
	if len(others) > 0 {
		return Splits{}, fmt.Errorf("data: %s holds folders named like splits (%s) beside others (%s), so that they could be splits or classes: name the folder to train with by option data, and that to validate with by option val",
			root.Path, list(names), list(others))
	}
	return newSplits(root, named, func(p Place) split { return splitOf(filepath.Base(p.Path)) })
}

// trainingFolders finds what the options data and val name: splits, or class folders.
func trainingFolders(p Place, m *Media, val Place) (Splits, error) {
	s, err := splitFolders(p, m, nil)
	switch {
	case err != nil:
		return s, err
	case s.IsZero():
		s.Train = p
	case s.Train.IsZero():
		return s, fmt.Errorf("data: %s holds no split to train with: add a folder train, or name one with option data", p.Path)
	}
	if val.IsZero() {
		return s, nil
	}
	of, err := splitFolders(val, m, nil)
	switch {
	case err != nil:
		return s, err
	case !of.Val.IsZero():
		val = of.Val
	case !of.IsZero():
		return s, fmt.Errorf("data: %s holds no split to validate with: name the folder with option val", val.Path)
	}
	return s.With(val), nil
}

// evalFolder finds the class folders to measure a model of known classes by.
func evalFolder(p Place, m *Media, classes []string) (Measured, error) {
	s, err := splitFolders(p, m, classes)
	if err != nil || s.IsZero() {
		return Measured{Place: p}, err
	}
	return s.Eval()
}

// holds reports whether a folder has files of the kind in it or below.
func holds(dir Place, m *Media, depth int) bool {
	entries, err := readDir(dir, m)
	return err == nil && depth < maxDepth && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		p := dir.Join(e.Name())
		if p.IsDir() {
			return holds(p, m, depth+1)
		}
		return m.has(e.Name())
	})
}

// hasClassFolders reports whether a folder has folders with files of the kind.
func hasClassFolders(dir Place, m *Media) bool {
	entries, err := readDir(dir, m)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		p := dir.Join(e.Name())
		return p.IsDir() && holds(p, m, 0)
	})
}

// checkNoSplits errors where a class folder holds splits: their files, those to test with among
// them, would all be of one class.
func checkNoSplits(class Place, m *Media) error {
	s, err := splitFolders(class, m, nil)
	if err == nil && !s.Train.IsZero() && (!s.Val.IsZero() || !s.Test.IsZero()) {
		err = fmt.Errorf("data: %s holds splits: if it is the whole, give it as option data; if it is a class, put the splits above the classes", class.Path)
	}
	return err
}
