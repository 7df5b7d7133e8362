package data

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Place says where examples are: a path in a file system, or rows in memory. The zero Place is
// none.
type Place struct {
	FS   fs.FS  // nil: the machine's file system, with paths in the system's form
	Path string // a folder or a table; for Rows, their name in messages
	Rows *Table // examples in memory: a table whose column file names files in FS
	Kind string // of Rows: the kind of data where it is known, see feed.Kind; "" where the model's decides

	part    split   // of a table: the rows of this split; noSplit for all
	columns Columns // of a part: columns with another meaning
}

// IsZero reports whether the place is none.
func (p Place) IsZero() bool { return p.FS == nil && p.Path == "" && p.Rows == nil }

// At returns another path in the same file system.
func (p Place) At(path string) Place { return Place{FS: p.FS, Path: path} }

// Join returns a path below the place.
func (p Place) Join(elem ...string) Place {
	if p.FS == nil {
		return p.At(filepath.Join(append([]string{p.Path}, elem...)...))
	}
	return p.At(path.Join(append([]string{p.Path}, elem...)...))
}

// System is the machine's file system. Paths are in the system's form, absolute or relative to the
// working directory.
type System struct{}

func (System) Open(name string) (fs.File, error)          { return os.Open(name) }
func (System) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (System) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (System) ReadFile(name string) ([]byte, error)       { return os.ReadFile(name) }

// files returns the place's file system.
func (p Place) files() fs.FS {
	if p.FS == nil {
		return System{}
	}
	return p.FS
}

func (p Place) stat() (fs.FileInfo, error)   { return fs.Stat(p.files(), p.Path) }
func (p Place) list() ([]fs.DirEntry, error) { return fs.ReadDir(p.files(), p.Path) }
func (p Place) ReadFile() ([]byte, error)    { return fs.ReadFile(p.files(), p.Path) }

// IsDir reports whether the place is a folder. It follows links.
func (p Place) IsDir() bool {
	info, err := p.stat()
	return p.Rows == nil && err == nil && info.IsDir()
}

// IsFile reports whether the place is a regular file.
func (p Place) IsFile() bool {
	info, err := p.stat()
	return p.Rows == nil && err == nil && info.Mode().IsRegular()
}
