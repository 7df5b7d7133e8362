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

// class is a class folder: its name and the files of one kind anywhere below it, in the order of
// their paths.
type class struct {
	name  string
	files []string
}

// folder is a folder of class folders.
type folder struct {
	media   *Media
	classes []class        // sorted; only those with files of the kind
	other   map[string]int // files of other kinds, by extension
	empty   []string       // folders without files of the kind
}

// readFolder lists the class folders of root. It ignores hidden files and folders, see hidden.
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
		} else {
			f.empty = append(f.empty, e.Name())
		}
	}
	switch {
	case len(f.classes) > 0:
		return f, f.checkEmpty(root)
	case loose > 0:
		return nil, fmt.Errorf("data: %s holds %d %s but no class folder: move them into one folder per class", root.Path, loose, m.Many)
	case len(f.other) > 0:
		return nil, fmt.Errorf("data: %s holds no %s, only %s: give class folders of %s files", root.Path, m.Many, kinds(f.other), m.Formats)
	}
	return nil, fmt.Errorf("data: %s holds no %s: put %s files into one folder per class", root.Path, m.Many, m.Formats)
}

// names returns the names of the class folders.
func (f *folder) names() []string {
	out := make([]string, len(f.classes))
	for i, c := range f.classes {
		out[i] = c.name
	}
	return out
}

// documents are the extensions of files that may be beside examples without being examples.
var documents = []string{".txt", ".md", ".json", ".xml", ".yaml", ".yml", ".csv", ".tsv", ".html", ".pdf", ".py", ".ini", ".cfg", ".log", ".db"}

// checkEmpty errors on a class folder whose files are all of another kind, as its class would be
// missing.
func (f *folder) checkEmpty(root Place) error {
	for _, name := range f.empty {
		all := folder{media: f.media, other: map[string]int{}}
		if err := all.walk(new(class), root.Join(name), 0); err != nil {
			return err
		}
		for _, ext := range slices.Sorted(maps.Keys(all.other)) {
			mend := "turn them into " + f.media.Formats
			if ext == noExtension {
				mend = "give the files the extension of what they are, as " + f.media.Extensions[0]
			}
			if !slices.Contains(documents, ext) {
				return fmt.Errorf("data: the class folder %s holds no %s, only %s: %s, or remove the folder", root.Join(name).Path, f.media.Many, kinds(all.other), mend)
			}
		}
	}
	return nil
}

// remarks name the folders that are not classes because they have no files.
func (f *folder) remarks(root Place) []string {
	if len(f.empty) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: folders without %s are no classes: %s", root.Path, f.media.Many, list(f.empty))}
}

const noExtension = "without extension"

// kinds lists extensions with their counts: 3 .heic, 1 .txt.
func kinds(n map[string]int) string {
	var s []string
	for _, ext := range slices.Sorted(maps.Keys(n)) {
		s = append(s, fmt.Sprintf("%d %s", n[ext], ext))
	}
	return list(s)
}

// maxDepth limits how deep in a class folder files may be, as links can form cycles.
const maxDepth = 16

// walk adds all files below dir to c.
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
			f.other[cmp.Or(strings.ToLower(path.Ext(e.Name())), noExtension)]++
		}
	}
	return nil
}

// Sample returns the paths of up to most files anywhere below a folder.
func Sample(dir Place, most int) (paths []string) {
	var walk func(dir Place, depth int)
	walk = func(dir Place, depth int) {
		if dir.Rows != nil || depth > maxDepth {
			return
		}
		entries, err := dir.list()
		if err != nil {
			return
		}
		for _, e := range entries {
			switch p := dir.Join(e.Name()); {
			case len(paths) >= most:
				return
			case hidden(e.Name()):
			case p.IsDir():
				walk(p, depth+1)
			default:
				paths = append(paths, p.Path)
			}
		}
	}
	walk(dir, 0)
	return paths
}

// readDir lists a folder, sorted, without hidden entries.
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
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return hidden(e.Name()) }), nil
}

// hidden reports whether a file or folder is hidden, or one that a system adds: of macOS in
// archives, of Windows, of Synology.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"__MACOSX", "$RECYCLE.BIN", "@eaDir"}, name)
}
