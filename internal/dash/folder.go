package dash

import (
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// folder is the folder of the runs. All reading goes through it, so that no path and no link leads
// out of it.
type folder struct {
	dir  string
	root *os.Root
}

func (f *folder) Close() error { return f.root.Close() }

// place is the folder of one run, below the folder of all. Nothing outside it can be read.
type place struct {
	fs.FS
	root *os.Root
	name string // path below the folder of the runs, with slashes; "." for that folder itself
	out  string // as commands name it
}

func (p *place) Close() error { return p.root.Close() }

// at opens a folder below. It errors with fs.ErrInvalid for a name that is no path below, and where a
// link leads out.
func (f *folder) at(name string) (*place, error) {
	if name == "" {
		name = "."
	}
	if !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsRune(name, '\\') {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	root, err := f.root.OpenRoot(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	return &place{FS: root.FS(), root: root, name: name, out: filepath.Join(f.dir, filepath.FromSlash(name))}, nil
}

// has reports whether the place has a file, not a folder and not a link that leads out.
func (p *place) has(name string) bool {
	st, err := p.root.Stat(name)
	return err == nil && st.Mode().IsRegular()
}

// asked opens the place that a request names.
func (f *folder) asked(r *http.Request) (*place, error) {
	return f.at(strings.Trim(r.PathValue("path"), "/"))
}

// title is the name of a place for people.
func (p *place) title() string {
	if p.name != "." {
		return p.name
	}
	if whole, err := filepath.Abs(p.out); err == nil {
		return filepath.Base(whole)
	}
	return path.Base(filepath.ToSlash(p.out))
}
