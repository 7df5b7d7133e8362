package workers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// tree is a set of files below a folder.
type tree struct {
	root  string   // absolute
	files []string // absolute, sorted
}

// newTree takes files with the lowest folder that holds all of them.
func newTree(paths ...string) (t tree, err error) {
	for _, p := range paths {
		if p, err = filepath.Abs(p); err != nil {
			return t, err
		}
		if len(t.files) == 0 {
			t.root = filepath.Dir(p)
		}
		for !within(t.root, p) {
			t.root = filepath.Dir(t.root)
		}
		t.files = append(t.files, p)
	}
	slices.Sort(t.files)
	t.files = slices.Compact(t.files)
	return t, nil
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// name is a path as it is called in the tree: relative to its root, with slashes.
func (t tree) name(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(t.root, path)
	return filepath.ToSlash(rel), err
}

func (t tree) has(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	_, found := slices.BinarySearch(t.files, path)
	return found
}

// eachModelPath visits what may be the path of a file of the model tree: each option that may name
// one. It writes back what visit makes of it.
func eachModelPath(c *config.Config, visit func(path *string) error) error {
	for _, path := range []*string{&c.Model, &c.Preprocess, &c.Tokenizer} {
		if *path == "" {
			continue
		}
		if err := visit(path); err != nil {
			return err
		}
	}
	c.Input = slices.Clone(c.Input)
	for i, text := range c.Input {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			continue
		}
		if err := visit(&value); err != nil {
			return err
		}
		c.Input[i] = name + "=" + value
	}
	return nil
}

// modelTree is the model and the files that say how it is fed.
func modelTree(s *run.Session, c *config.Config) (tree, error) {
	files := append([]string{c.Model}, s.Base.Model.ExternalFiles()...)
	return newTree(append(files, feed.FilesOf(c.Model, c.FeedOptions())...)...)
}

// dataTree is the tables and the files of the examples.
func dataTree(s *run.Session, c *config.Config) (tree, error) {
	var files []string
	for _, place := range []string{c.Data, c.Val} {
		if place == "" {
			continue
		}
		tables, err := tablesAt(place)
		if err != nil {
			return tree{}, err
		}
		for _, table := range tables {
			if err := checkPaths(table); err != nil {
				return tree{}, err
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
		return tree{}, option.Errorf("data", "workers can be sent files only, and %s has none", c.Data)
	}
	t, err := newTree(files...)
	if err != nil {
		return t, err
	}
	for _, place := range []string{c.Data, c.Val} { // a folder stands in the tree as well
		if place == "" {
			continue
		}
		if place, err = filepath.Abs(place); err != nil {
			return t, err
		}
		for !within(t.root, place) {
			t.root = filepath.Dir(t.root)
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
