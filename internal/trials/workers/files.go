package workers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/cluster/tree"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// dataTree is the tables and the files of the examples.
func dataTree(s *run.Session, c *config.Config) (tree.Tree, error) {
	var files []string
	for _, place := range []string{c.Data, c.Val} {
		if place == "" {
			continue
		}
		if of := data.ParquetFiles(place); len(of) > 0 { // the examples are in them
			files = append(files, of...)
			continue
		}
		tables, err := tablesAt(place)
		if err != nil {
			return tree.Tree{}, err
		}
		for _, table := range tables {
			if err := checkPaths(table); err != nil {
				return tree.Tree{}, err
			}
		}
		files = append(files, tables...)
	}
	for _, d := range []*data.Dataset{s.Train, s.Val} {
		for _, e := range d.Examples {
			if st, err := os.Stat(e.Path); err == nil && st.Mode().IsRegular() {
				files = append(files, e.Path)
			}
		}
	}
	if len(files) == 0 {
		return tree.Tree{}, option.Errorf("data", "workers can be sent files only, and %s has none", c.Data)
	}
	t, err := tree.New(files...)
	if err != nil {
		return t, err
	}
	for _, place := range []string{c.Data, c.Val} { // a folder stands in the tree as well
		if place == "" {
			continue
		}
		if err := t.Include(place); err != nil {
			return t, err
		}
	}
	return t, nil
}

// tablesAt lists the tables and plain texts that a place is, or that its folder holds.
func tablesAt(place string) ([]string, error) {
	st, err := os.Stat(place)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return []string{place}, nil
	}
	entries, err := os.ReadDir(place)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		path := filepath.Join(place, e.Name())
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && (ext == ".txt" || slices.Contains(data.TableFormats, ext)) {
			out = append(out, path)
		}
	}
	return out, nil
}

// checkPaths errors where a table names files by where they lie on this machine.
func checkPaths(table string) error {
	place := data.Place{Path: table}
	if !data.IsTable(place) {
		return nil
	}
	t, err := data.ReadTable(place)
	if err != nil {
		return nil // a document beside class folders
	}
	column := t.Column("file")
	if column < 0 {
		return nil
	}
	for i, row := range t.Rows {
		if filepath.IsAbs(row[column]) {
			return option.Errorf("data", "%s, line %d: %s: workers have the files of a table in other folders: give paths relative to the table", table, t.Lines[i], row[column])
		}
	}
	return nil
}
