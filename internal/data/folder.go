package data

import (
	"errors"
	"fmt"
	"io/fs"
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

// classFolders lists the class folders of root in sorted order. Hidden files and folders, folders without pictures and other files are
// passed over.
func classFolders(root string) ([]class, error) {
	entries, err := readDir(root)
	if err != nil {
		return nil, err
	}
	var classes []class
	loose := 0
	for _, e := range entries {
		path := filepath.Join(root, e.Name())
		if !isDir(path) {
			if isPicture(e.Name()) {
				loose++
			}
			continue
		}
		files, err := pictures(path, 0)
		if err != nil {
			return nil, err
		}
		if len(files) > 0 {
			classes = append(classes, class{e.Name(), files})
		}
	}
	switch {
	case len(classes) > 0:
		return classes, nil
	case loose > 0:
		return nil, fmt.Errorf("data: %s holds %d pictures but no class folder: move them into one folder per class", root, loose)
	}
	return nil, fmt.Errorf("data: %s holds no pictures: put jpeg, png, gif, bmp, webp or ppm files into one folder per class", root)
}

// maxDepth bounds how deep pictures may lie in a class folder; links may form cycles.
const maxDepth = 16

func pictures(dir string, depth int) ([]string, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("data: %s: folders nest deeper than %d: a link that leads back?", dir, maxDepth)
	}
	entries, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case isPicture(e.Name()) && !isDir(path):
			files = append(files, path)
		case isDir(path):
			below, err := pictures(path, depth+1)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		}
	}
	return files, nil
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
