package data

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// media is a kind of files. Their extensions say which are of it; the format is told by content.
type media struct {
	one, many  string // what they are called
	formats    string
	extensions []string
}

var (
	pictureFiles = &media{"picture", "pictures", "jpeg, png, gif, bmp, webp or ppm",
		[]string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".ppm", ".pgm", ".pnm"}}
	textFiles  = &media{"text", "texts", "csv, tsv or jsonl", tableFormats}
	anyFiles   = &media{one: "file", many: "files", formats: "any"}
	soundFiles = &media{"sound", "sounds", "wav or flac", []string{".wav", ".wave", ".flac"}}
)

func (m *media) has(name string) bool {
	return m.extensions == nil || slices.Contains(m.extensions, strings.ToLower(filepath.Ext(name)))
}

// class is a class folder: its name and the files of one kind in it and below, in the order of their paths.
type class struct {
	name  string
	files []string
}

// folder is a folder of class folders.
type folder struct {
	media   *media
	classes []class        // in sorted order, none without files of the kind
	other   map[string]int // files of other kinds, by extension
}

// readFolder lists the class folders of root. Hidden files and folders are passed over.
func readFolder(root string, m *media) (*folder, error) {
	entries, err := readDir(root, m)
	if err != nil {
		return nil, err
	}
	f := &folder{media: m, other: map[string]int{}}
	loose := 0
	for _, e := range entries {
		path := filepath.Join(root, e.Name())
		if !isDir(path) {
			if m.has(e.Name()) {
				loose++
			}
			continue
		}
		c := class{name: e.Name()}
		if err := f.walk(&c, path, 0); err != nil {
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
		return nil, fmt.Errorf("data: %s holds %d %s but no class folder: move them into one folder per class", root, loose, m.many)
	case len(f.other) > 0:
		return nil, fmt.Errorf("data: %s holds no %s, only %s: give class folders of %s files", root, m.many, kinds(f.other), m.formats)
	}
	return nil, fmt.Errorf("data: %s holds no %s: put %s files into one folder per class", root, m.many, m.formats)
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
func (f *folder) walk(c *class, dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("data: %s: folders nest deeper than %d: remove the link that leads back", dir, maxDepth)
	}
	entries, err := readDir(dir, f.media)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case isDir(path):
			if err := f.walk(c, path, depth+1); err != nil {
				return err
			}
		case f.media.has(e.Name()):
			c.files = append(c.files, path)
		default:
			f.other[cmp.Or(strings.ToLower(filepath.Ext(e.Name())), "without extension")]++
		}
	}
	return nil
}

// readDir lists a folder in sorted order without hidden entries.
func readDir(dir string, m *media) ([]fs.DirEntry, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("data: %s: no such folder", dir)
	case err != nil:
		return nil, fmt.Errorf("data: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("data: %s is a file: give a folder with one folder of %s per class", dir, m.many)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }), nil
}

// isDir follows links, unlike a directory entry.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// splitFolders returns path/train and path/val where both exist.
func splitFolders(path string) (train, val string, ok bool) {
	train, val = filepath.Join(path, "train"), filepath.Join(path, "val")
	return train, val, isDir(train) && isDir(val)
}
