package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// store reads tensor contents from files beside the model. It never opens anything outside the
// model's folder, not even through symbolic links. In a snapshot of a hub's cache, where all files
// are links into the repository's folder, it opens nothing outside that folder.
type store struct {
	dir   string
	root  *os.Root
	below string // the model's folder, from root
	load  loader
	files map[string]*extFile
	slab  tensor.Slab // memory for tensors that are not aligned in the file
}

type extFile struct {
	size  int64
	left  int64 // bytes that may still be read, so that overlapping tensors cannot multiply a file
	parts map[[2]int64][]byte
}

func newStore(dir string) *store {
	return &store{dir: dir, load: inMemory, files: map[string]*extFile{}}
}

// read returns the want bytes that the external_data entries kv name.
func (s *store) read(kv map[string]string, want int) (b []byte, err error) {
	loc := kv["location"]
	defer func() {
		if err != nil {
			err = fmt.Errorf("external data in %q: %w", loc, err)
		}
	}()
	if s == nil || s.dir == "" {
		return nil, fmt.Errorf("the model was not read from a folder")
	}
	offset, err := parseCount(kv, "offset", 0)
	if err != nil {
		return nil, err
	}
	length, err := parseCount(kv, "length", int64(want))
	if err != nil {
		return nil, err
	}
	if length != int64(want) {
		return nil, fmt.Errorf("its length is %d, the tensor needs %d", length, want)
	}
	local := filepath.Clean(filepath.FromSlash(strings.ReplaceAll(loc, `\`, "/")))
	if loc == "" || !filepath.IsLocal(local) {
		return nil, fmt.Errorf("lies outside of the model's folder")
	}
	if s.root == nil {
		if err := s.open(); err != nil {
			return nil, s.cause(err)
		}
	}
	local = filepath.Join(s.below, local)
	f := s.files[local]
	if f == nil {
		st, err := s.root.Stat(local)
		if err != nil {
			return nil, s.cause(err)
		}
		if !st.Mode().IsRegular() { // opening a pipe would block forever
			return nil, fmt.Errorf("is no regular file")
		}
		f = &extFile{size: st.Size(), left: st.Size(), parts: map[[2]int64][]byte{}}
		s.files[local] = f
	}
	key := [2]int64{offset, length}
	if b, ok := f.parts[key]; ok {
		return b, nil
	}
	if offset > f.size || length > f.size-offset {
		return nil, fmt.Errorf("bytes %d to %d of %d: the file is cut off, or that of another model", offset, offset+length, f.size)
	}
	if f.left -= length; f.left < 0 {
		return nil, fmt.Errorf("tensors overlap")
	}
	h, err := s.root.Open(local)
	if err != nil {
		return nil, s.cause(err)
	}
	defer h.Close()
	if b, err = s.load(h, offset, length); err != nil {
		return nil, err
	}
	f.parts[key] = b
	return b, nil
}

// open opens the folder that bounds what may be read.
func (s *store) open() (err error) {
	top, ok := layout.RepoOf(s.dir)
	if !ok {
		top = s.dir
	}
	if s.below, err = below(top, s.dir); err == nil {
		s.root, err = os.OpenRoot(top)
	}
	return err
}

// below is the path of dir from top.
func below(top, dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if top, err = filepath.Abs(top); err != nil {
		return "", err
	}
	return filepath.Rel(top, dir)
}

// cause says where a file was looked for and why it cannot be read. The operation and the path in
// an error of os.Root are those of system calls.
func (s *store) cause(err error) error {
	dir := filepath.Clean(s.dir)
	if dir == "." {
		dir = "the working folder"
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no such file in %s: put it beside the model, under that name", dir)
	}
	if of := (*fs.PathError)(nil); errors.As(err, &of) {
		err = of.Err
	}
	return fmt.Errorf("in %s: %w", dir, err)
}

func (s *store) close() {
	if s.root != nil {
		s.root.Close()
	}
}

// parseCount reads an entry that counts bytes.
func parseCount(kv map[string]string, key string, def int64) (int64, error) {
	s, ok := kv[key]
	if !ok {
		return def, nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return 0, fmt.Errorf("%s %q is no count of bytes", key, s)
	}
	return v, nil
}

// external reports whether any tensor is outside the file.
func (m *modelProto) external() bool {
	for range m.externals() {
		return true
	}
	return false
}

// externals returns the tensors outside the file, including unused ones.
func (m *modelProto) externals() iter.Seq[*tensorProto] {
	return func(yield func(*tensorProto) bool) {
		ok := m.graph.externals(yield)
		for _, f := range m.functions {
			ok = ok && externalsOf(f.nodes, yield)
		}
	}
}

func (g *graphProto) externals(yield func(*tensorProto) bool) bool {
	for _, t := range g.inits {
		if t.external != nil && !yield(t) {
			return false
		}
	}
	return externalsOf(g.nodes, yield)
}

func externalsOf(nodes []*nodeProto, yield func(*tensorProto) bool) bool {
	for _, n := range nodes {
		for _, a := range n.attrs {
			if a.t != nil && a.t.external != nil && !yield(a.t) || a.g != nil && !a.g.externals(yield) {
				return false
			}
		}
	}
	return true
}

// ExternalFiles lists the files that hold tensors of the model, as paths beside the model file.
func (m *Model) ExternalFiles() []string { return m.proto.externalFiles(m.dir) }

// ExternalFiles lists the files that the model at a path needs beside it, whether they are there or
// not. It errors on a file that is no model.
func ExternalFiles(path string) ([]string, error) {
	data, err := readFile(path, inMemory)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	p, err := parseModel(data)
	if err == nil && p.graph == nil {
		err = errNotModel
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	return p.externalFiles(filepath.Dir(path)), nil
}

func (m *modelProto) externalFiles(dir string) []string {
	var files []string
	for t := range m.externals() {
		file := filepath.Join(dir, filepath.FromSlash(strings.ReplaceAll(t.external["location"], `\`, "/")))
		if !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}
