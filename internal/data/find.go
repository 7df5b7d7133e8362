package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FindFiles lists the files that paths on disk name: files as they are, all files of the kind
// below a folder, and what a glob such as photos/*.jpg matches. Of a folder and of a glob, files
// are in natural order (2 before 10) and hidden ones are passed over. A path that names nothing is
// kept, so that it is reported like a file that cannot be read. It errors on a folder without files
// of the kind and on a glob that matches nothing.
func FindFiles(paths []string, m *Media) ([]string, error) {
	var out []string
	for _, p := range paths {
		found, err := findFiles(p, m)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func findFiles(path string, m *Media) ([]string, error) {
	if place := (Place{Path: path}); place.IsDir() {
		return filesBelow(place, m)
	}
	if _, err := os.Lstat(path); err == nil || !strings.ContainsAny(path, "*?[") {
		return []string{path}, nil
	}
	matches, err := filepath.Glob(path)
	if err != nil {
		return nil, fmt.Errorf("data: %s: not a glob: %w", path, err)
	}
	matches = slices.DeleteFunc(matches, func(m string) bool { return hidden(filepath.Base(m)) })
	if len(matches) == 0 {
		return nil, fmt.Errorf("data: %s matches no file", path)
	}
	slices.SortFunc(matches, natural)
	var out []string
	for _, match := range matches {
		found := []string{match}
		if place := (Place{Path: match}); place.IsDir() {
			if found, err = filesBelow(place, m); err != nil {
				return nil, err
			}
		}
		out = append(out, found...)
	}
	return out, nil
}

// filesBelow lists the files of a kind anywhere below a folder. It errors if there is none.
func filesBelow(dir Place, m *Media) ([]string, error) {
	found := folder{media: m, other: map[string]int{}}
	var all class
	if err := found.walk(&all, dir, 0); err != nil {
		return nil, err
	}
	if len(all.files) == 0 {
		other := ""
		if len(found.other) > 0 {
			other = ", only " + kinds(found.other)
		}
		return nil, fmt.Errorf("data: %s holds no %s%s: give %s files", dir.Path, m.Many, other, m.Formats)
	}
	slices.SortFunc(all.files, natural)
	return all.files, nil
}

// natural orders names as a person does: numbers in them by value, and the elements of a path one
// by one.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		i, j := digitsOf(x), digitsOf(y)
		if i > 0 && j > 0 {
			m, n := strings.TrimLeft(x[:i], "0"), strings.TrimLeft(y[:j], "0")
			if len(m) != len(n) {
				return len(m) - len(n)
			}
			if c := strings.Compare(m, n); c != 0 {
				return c
			}
			x, y = x[i:], y[j:]
			continue
		}
		if x[0] != y[0] {
			switch {
			case os.IsPathSeparator(x[0]):
				return -1
			case os.IsPathSeparator(y[0]):
				return 1
			}
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if c := len(x) - len(y); c != 0 {
		return c
	}
	return strings.Compare(a, b) // 01 and 1
}

// digitsOf is how many digits s begins with.
func digitsOf(s string) int {
	return len(s) - len(strings.TrimLeft(s, digits))
}

const digits = "0123456789"
