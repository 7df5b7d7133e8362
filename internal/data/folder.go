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

// extensions are those of the picture formats that decode knows. The content decides which it is.
var extensions = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".ppm", ".pgm", ".pnm"}

func isPicture(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// class is a class folder: its name and the picture files in it and below, in the order of their paths.
type class struct {
	name  string
	files []string
}

// folder is a folder of class folders.
type folder struct {
	classes []class        // in sorted order, none without pictures
	other   map[string]int // files that are no pictures, by extension
}

// readFolder lists the class folders of root. Hidden files and folders are passed over.
func readFolder(root string) (*folder, error) {
	entries, err := readDir(root)
	if err != nil {
		return nil, err
	}
	f := &folder{other: map[string]int{}}
	loose := 0
	for _, e := range entries {
		path := filepath.Join(root, e.Name())
		if !isDir(path) {
			if isPicture(e.Name()) {
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
		return nil, fmt.Errorf("data: %s holds %d pictures but no class folder: move them into one folder per class", root, loose)
	case len(f.other) > 0:
		return nil, fmt.Errorf("data: %s holds no pictures, only %s: give class folders of jpeg, png, gif, bmp, webp or ppm files", root, kinds(f.other))
	}
	return nil, fmt.Errorf("data: %s holds no pictures: put jpeg, png, gif, bmp, webp or ppm files into one folder per class", root)
}

// kinds lists extensions with their counts: 3 .heic, 1 .txt.
func kinds(n map[string]int) string {
	var s []string
	for _, ext := range slices.Sorted(maps.Keys(n)) {
		s = append(s, fmt.Sprintf("%d %s", n[ext], ext))
	}
	return list(s)
}

// maxDepth bounds how deep pictures may lie in a class folder; links may form cycles.
const maxDepth = 16

// walk adds the pictures of dir and below to c.
func (f *folder) walk(c *class, dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("data: %s: folders nest deeper than %d: remove the link that leads back", dir, maxDepth)
	}
	entries, err := readDir(dir)
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
		case isPicture(e.Name()):
			c.files = append(c.files, path)
		default:
			f.other[cmp.Or(strings.ToLower(filepath.Ext(e.Name())), "without extension")]++
		}
	}
	return nil
}

// readDir lists a folder in sorted order without hidden entries.
func readDir(dir string) ([]fs.DirEntry, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("data: %s: no such folder", dir)
	case err != nil:
		return nil, fmt.Errorf("data: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("data: %s is a file: give a folder with one folder of pictures per class", dir)
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
