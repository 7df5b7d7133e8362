package data

import (
	"cmp"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// FindTables resolves the options data and val to tables: a table itself, whose column split may
// divide its rows, or a folder of tables with the usual names of splits. Zero Splits mean that
// there are no tables. It errors if two tables fit.
func FindTables(p, val Place, columns Columns) (Splits, error) {
	s, err := tablesOf(p, columns)
	if err != nil || s.Train.IsZero() || val.IsZero() {
		return s, err
	}
	of, err := tablesOf(val, columns)
	switch {
	case err != nil:
		return s, err
	case !of.Val.IsZero():
		val = of.Val
	case val.IsDir():
		return s, fmt.Errorf("data: %s holds no table to validate with: name one with option val", val.Path)
	}
	return s.With(val), nil
}

// EvalTable returns the table for measuring a finished model. It returns none if there are no tables. In a folder that also contains folders, the
// examples are in these.
func EvalTable(p Place, columns Columns) (Measured, error) {
	s, err := tablesOf(p, columns)
	switch {
	case err != nil || s.IsZero():
		return Measured{}, err
	case IsTable(p) && s.Val.IsZero() && s.Test.IsZero():
		return Measured{Place: p}, nil
	case s.Train.IsZero() && p.HasFolders():
		return Measured{}, nil
	}
	return s.Eval()
}

// HasFolders reports whether a folder contains folders that are not hidden.
func (p Place) HasFolders() bool {
	entries, err := p.list()
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !hidden(e.Name()) && p.Join(e.Name()).IsDir() })
}

// tablesOf finds the tables of a place. For a single table it finds its parts.
func tablesOf(p Place, columns Columns) (Splits, error) {
	if !IsTable(p) {
		return FindSplitFiles(p, TableFormats)
	}
	if p.Rows != nil {
		return Splits{Train: p}, nil
	}
	t, err := TableHead(p)
	if err == nil && !t.namesSplits() {
		return Splits{Train: p}, nil
	}
	if t, err = ReadTable(p); err != nil {
		return Splits{}, err
	}
	parts, err := t.parts(columns)
	if err != nil || len(parts) == 0 {
		return Splits{Train: p}, err
	}
	var places []Place
	for _, part := range parts {
		q := p
		q.part, q.columns = part, columns
		places = append(places, q)
	}
	return newSplits(p, places, func(p Place) split { return p.part })
}

// FindSplitFiles finds the splits of a folder: files with the given extensions and the usual names
// of splits. It errors on two files for one split.
func FindSplitFiles(dir Place, extensions []string) (Splits, error) {
	if dir.Rows != nil || !dir.IsDir() {
		return Splits{}, nil
	}
	entries, err := dir.list()
	if err != nil {
		return Splits{}, fmt.Errorf("data: %w", err)
	}
	var files []Place
	for _, e := range entries {
		p := dir.Join(e.Name())
		if slices.Contains(extensions, strings.ToLower(filepath.Ext(e.Name()))) && !hidden(e.Name()) && p.IsFile() {
			files = append(files, p)
		}
	}
	return newSplits(dir, files, func(p Place) split { return splitOf(stem(filepath.Base(p.Path))) })
}

// splitColumns are the usual names of the column that gives a row's split.
var splitColumns = []string{"split", "subset", "partition", "usage", "set", "phase"}

// namesSplits reports whether a column is called as one that gives a row's split.
func (t *Table) namesSplits() bool {
	return slices.ContainsFunc(t.Columns, func(name string) bool { return slices.Contains(splitColumns, strings.ToLower(name)) })
}

// splitColumn returns the column that gives each row's split. It has one of the usual names, names
// a split in every row, and not always the same one. It is -1 if there is none. It errors if a
// column called split has other values in some rows.
func (t *Table) splitColumn(columns Columns) (int, error) {
	for i, name := range t.Columns {
		lower := strings.ToLower(name)
		if !slices.Contains(splitColumns, lower) || name == columns.Label || name == columns.Text || name == columns.Group {
			continue
		}
		found, unlike := map[split]bool{}, ""
		line := 0
		for r, row := range t.Rows {
			of := splitOf(row[i])
			if of == noSplit {
				unlike, line = cmp.Or(unlike, row[i], "nothing"), t.Lines[r]
				break
			}
			found[of] = true
		}
		switch {
		case unlike == "" && found[trainSplit] && len(found) > 1:
			return i, nil
		case unlike != "" && found[trainSplit] && lower == splitColumns[0]:
			return -1, fmt.Errorf("data: %s, line %d: the column %s says %s, which is no split: write train, val or test, or rename the column", t.Path, line, name, unlike)
		}
	}
	return -1, nil
}

// parts returns the splits that a table's rows name, none if they name none.
func (t *Table) parts(columns Columns) ([]split, error) {
	column, err := t.splitColumn(columns)
	if err != nil || column < 0 {
		return nil, err
	}
	var out []split
	for _, row := range t.Rows {
		if of := splitOf(row[column]); !slices.Contains(out, of) {
			out = append(out, of)
		}
	}
	slices.Sort(out)
	return out, nil
}

// only keeps the rows of the split that p stands for.
func (t *Table) only(p Place) error {
	column, err := t.splitColumn(p.columns)
	if err != nil || column < 0 {
		return err
	}
	var rows [][]string
	var lines []int
	for i, row := range t.Rows {
		if splitOf(row[column]) == p.part {
			rows, lines = append(rows, row), append(lines, t.Lines[i])
		}
	}
	t.Rows, t.Lines = rows, lines
	return nil
}
