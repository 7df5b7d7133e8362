package dash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// grants are the files and folders that the page may name for a plan or a run: those that the command
// line named, and what lies below them.
type grants struct {
	what  string
	roots []grant
}

// grant is a file, or a folder with all below it.
type grant struct {
	path string // as the command line has it
	root *os.Root
}

func newGrants(what string, paths []string) (*grants, error) {
	g := &grants{what: what}
	for _, p := range paths {
		if layout.Is(p) {
			g.roots = append(g.roots, grant{path: p})
			continue
		}
		st, err := os.Stat(p)
		if err != nil {
			return nil, option.Errorf(what, "%w", err)
		}
		one := grant{path: filepath.Clean(p)}
		if st.IsDir() {
			if one.root, err = os.OpenRoot(p); err != nil {
				return nil, option.Errorf(what, "%w", err)
			}
		}
		g.roots = append(g.roots, one)
	}
	return g, nil
}

// close closes the folders.
func (g *grants) close() {
	for _, r := range g.roots {
		if r.root != nil {
			r.root.Close()
		}
	}
}

// check errors on a path that was not granted. The same words hold for what does not exist.
func (g *grants) check(p string) error {
	for _, r := range g.roots {
		if p == r.path {
			return nil
		}
		if r.root == nil {
			continue
		}
		rel, err := filepath.Rel(r.path, p)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		if _, err := r.root.Stat(rel); err == nil { // and no link leads out
			return nil
		}
	}
	return fmt.Errorf("%s is not among the %s that permafrost ui was given: see its option %s", p, g.what, g.what)
}

// The limits of a list.
const (
	listDeep = 4
	listMost = 500
)

// list lists the granted paths that fit. It goes into folders that do not.
func (g *grants) list(fits func(dir fs.FS, name string, e fs.DirEntry) bool, skip func(path string) bool) []string {
	var out []string
	for _, r := range g.roots {
		if r.root == nil {
			out = append(out, r.path)
			continue
		}
		seen := 0
		_ = fs.WalkDir(r.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
			full := filepath.Join(r.path, filepath.FromSlash(name))
			switch seen++; {
			case len(out) == listMost || seen > 20*listMost:
				return fs.SkipAll
			case err != nil:
				return nil
			case name != "." && strings.HasPrefix(path.Base(name), "."), e.IsDir() && skip(full):
				return fs.SkipDir
			case fits(r.root.FS(), name, e):
				out = append(out, full)
				if e.IsDir() {
					return fs.SkipDir
				}
			case e.IsDir() && strings.Count(name, "/") >= listDeep:
				return fs.SkipDir
			}
			return nil
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// isModel reports whether a file is a model.
func isModel(_ fs.FS, name string, e fs.DirEntry) bool {
	return e.Type().IsRegular() && strings.EqualFold(path.Ext(name), ".onnx")
}

// exampleFiles are the extensions of files with examples.
var exampleFiles = []string{".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".ppm", ".wav", ".flac"}

// isData reports whether a table or a folder seems to hold examples: classes as folders with
// pictures or sounds, or parts of a table.
func isData(dir fs.FS, name string, e fs.DirEntry) bool {
	if !e.IsDir() {
		return slices.Contains([]string{".csv", ".tsv", ".jsonl", ".parquet"}, strings.ToLower(path.Ext(name)))
	}
	entries, err := fs.ReadDir(dir, name)
	if err != nil {
		return false
	}
	folders := 0
	for _, s := range entries {
		stem := strings.ToLower(strings.TrimSuffix(s.Name(), path.Ext(s.Name())))
		if stem == "train" || stem == "training" {
			return true
		}
		if !s.IsDir() || folders == 3 {
			continue
		}
		folders++
		files, err := fs.ReadDir(dir, path.Join(name, s.Name()))
		if err == nil && len(files) > 0 && slices.Contains(exampleFiles, strings.ToLower(path.Ext(files[0].Name()))) {
			return true
		}
	}
	return false
}

// errNone says that nothing was granted.
var errNone = errors.New("no model was given to permafrost ui: name a file or a folder of models with its option models")
