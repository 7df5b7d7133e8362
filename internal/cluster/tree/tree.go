// Package tree carries files between processes, as one blob of a cluster. A Tree is files below a
// folder; Send packs it, Fetch unpacks it elsewhere, whole or not at all. It knows nothing of what the
// files are for: their callers choose them, and name them by their place in the tree.
package tree

import (
	"path/filepath"
	"slices"
)

// Tree is a set of files below a folder. It does not change once it is made, but for Include.
type Tree struct {
	root  string   // absolute
	files []string // absolute, sorted
}

// New takes files with the lowest folder that holds all of them.
func New(files ...string) (t Tree, err error) {
	for _, p := range files {
		if p, err = filepath.Abs(p); err != nil {
			return t, err
		}
		if len(t.files) == 0 {
			t.root = filepath.Dir(p)
		}
		t.rise(p)
		t.files = append(t.files, p)
	}
	slices.Sort(t.files)
	t.files = slices.Compact(t.files)
	return t, nil
}

// Include makes sure that the root of the tree holds a path, such as a folder that its names are
// relative to.
func (t *Tree) Include(path string) error {
	path, err := filepath.Abs(path)
	if err == nil {
		t.rise(path)
	}
	return err
}

// rise takes the lowest folder at or above the root that holds an absolute path.
func (t *Tree) rise(path string) {
	for !within(t.root, path) {
		t.root = filepath.Dir(t.root)
	}
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// Root is the folder of the tree, absolute.
func (t Tree) Root() string { return t.root }

// Has reports whether a path is a file of the tree.
func (t Tree) Has(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	_, found := slices.BinarySearch(t.files, path)
	return found
}

// Name is what a path is called in the tree: relative to its root, with slashes.
func (t Tree) Name(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(t.root, path)
	return filepath.ToSlash(rel), err
}

// NameIn is a path's name below a folder that stands for the root: what one side writes and the
// other hands to Place.
func (t Tree) NameIn(folder, path string) (string, error) {
	name, err := t.Name(path)
	return folder + "/" + name, err
}

// Place gives the path that a name of NameIn has in a tree whose root is here. A name of another
// folder stays as it is.
func Place(root, folder, name string) string {
	if rel, err := filepath.Rel(folder, filepath.FromSlash(name)); err == nil && filepath.IsLocal(rel) {
		return filepath.Join(root, rel)
	}
	return name
}
