package data

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// class is a class folder: its name and the files of one kind in it and below, in the order of
// their paths.
type class struct {
	name  string
	files []string
}

// folder is a folder of class folders.
type folder struct {
	media   *Media
	classes []class        // in sorted order, none without files of the kind
	other   map[string]int // files of other kinds, by extension
}

// readFolder lists the class folders of root. Hidden files and folders are passed over.
func readFolder(root Place, m *Media) (*folder, error) {
	entries, err := readDir(root, m)
	if err != nil {
		return nil, err
	}
	f := &folder{media: m, other: map[string]int{}}
	loose := 0
	for _, e := range entries {
		p := root.Join(e.Name())
		if !p.IsDir() {
			if m.has(e.Name()) {
				loose++
			}
			continue
		}
		if err := checkNoSplits(p, m); err != nil {
			return nil, err
		}
		c := class{name: e.Name()}
		if err := f.walk(&c, p, 0); err != nil {
			return nil, err
		}
		if len(c.files) > 0 {
			f.classes = append(f.classes, c)
		}
	}
	switch {
	case len(f.classes) > 0:
		return f, nil
	case loose > 0:
		return nil, fmt.Errorf("data: %s holds %d %s but no class folder: move them into one folder per class", root.Path, loose, m.Many)
	case len(f.other) > 0:
		return nil, fmt.Errorf("data: %s holds no %s, only %s: give class folders of %s files", root.Path, m.Many, kinds(f.other), m.Formats)
	}
	return nil, fmt.Errorf("data: %s holds no %s: put %s files into one folder per class", root.Path, m.Many, m.Formats)
}

// kinds lists extensions with their counts: 3 .heic, 1 .txt.
func kinds(n map[string]int) string {
	var s []string
	for _, ext := range slices.Sorted(maps.Keys(n)) {
		s = append(s, fmt.Sprintf("%d %s", n[ext], ext))
	}
	return list(s)
}

// maxDepth bounds how deep files may lie in a class folder; links may form cycles.
const maxDepth = 16

// walk adds the files of dir and below to c.
func (f *folder) walk(c *class, dir Place, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("data: %s: folders nest deeper than %d: remove the link that leads back", dir.Path, maxDepth)
	}
	entries, err := readDir(dir, f.media)
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := dir.Join(e.Name())
		switch {
		case p.IsDir():
			if err := f.walk(c, p, depth+1); err != nil {
				return err
			}
		case f.media.has(e.Name()):
			c.files = append(c.files, p.Path)
		default:
			f.other[cmp.Or(strings.ToLower(path.Ext(e.Name())), "without extension")]++
		}
	}
	return nil
}

// readDir lists a folder in sorted order without hidden entries.
func readDir(dir Place, m *Media) ([]fs.DirEntry, error) {
	if dir.Rows != nil {
		return nil, fmt.Errorf("data: %s are no folder", dir.Path)
	}
	info, err := dir.stat()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("data: %s: no such folder", dir.Path)
	case err != nil:
		return nil, fmt.Errorf("data: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("data: %s is a file: give a folder with one folder of %s per class", dir.Path, m.Many)
	}
	entries, err := dir.list()
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }), nil
}
