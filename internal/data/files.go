package data

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
)

// Files are the files of the examples, by index. The digest of each is computed when it is first
// read. A file that changes later is an error, as everything keyed by the earlier digest would be
// wrong. Files are safe for concurrent use.
type Files struct {
	fs    fs.FS
	paths []string
	sums  []atomic.Pointer[[sha256.Size]byte]
	index Index
}

// Index remembers between runs the digests of files that passed the check. Use an Index for only
// one preparation.
type Index interface {
	// Digest returns the digest of the file, if it is known and info shows that the file has not
	// changed since.
	Digest(path string, info fs.FileInfo) (sum [sha256.Size]byte, ok bool)
	// Learn records the digest of a file; info described the file before it was read.
	Learn(path string, info fs.FileInfo, sum [sha256.Size]byte)
}

func newFiles(fsys fs.FS, examples []Example, index Index) *Files {
	f := &Files{fs: fsys, sums: make([]atomic.Pointer[[sha256.Size]byte], len(examples))}
	if _, ok := fsys.(System); ok { // only there do path and time identify a content
		f.index = index
	}
	for _, e := range examples {
		f.paths = append(f.paths, e.Path)
	}
	return f
}

// Len returns the number of files.
func (f *Files) Len() int { return len(f.paths) }

// Open opens a file and describes it. It errors if it is not a regular file.
func (f *Files) Open(i int) (fs.File, fs.FileInfo, error) {
	r, err := f.fs.Open(f.paths[i])
	if err != nil {
		return nil, nil, err
	}
	info, err := r.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return r, info, nil
}

// Read reads a complete file, so that digest and content come from one read. It also describes the
// file as it was before. It errors if the file is empty or has more than most bytes.
func (f *Files) Read(i, most int) ([]byte, fs.FileInfo, error) {
	r, info, err := f.Open(i)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	switch {
	case info.Size() == 0:
		return nil, nil, errors.New("empty file")
	case info.Size() > int64(most):
		return nil, nil, fmt.Errorf("%d bytes are more than %d", info.Size(), most)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(r, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, nil, err
	}
	return b, info, nil
}

// Settle records the digest of a file that was read. It errors if an earlier read had another
// digest.
func (f *Files) Settle(i int, sum [sha256.Size]byte) error {
	if !f.sums[i].CompareAndSwap(nil, &sum) && *f.sums[i].Load() != sum {
		return errChanged
	}
	return nil
}

var errChanged = errors.New("the file changed while it was in use: start again")

// Sum returns the digest that was settled for a file.
func (f *Files) Sum(i int) (sum [sha256.Size]byte, ok bool) {
	if p := f.sums[i].Load(); p != nil {
		return *p, true
	}
	return sum, false
}

// Recall returns the digest of a file that passed the check in an earlier run and has not changed.
// It does not settle the digest.
func (f *Files) Recall(i int) (sum [sha256.Size]byte, ok bool) {
	if f.index == nil {
		return sum, false
	}
	info, err := fs.Stat(f.fs, f.paths[i])
	if err != nil || !info.Mode().IsRegular() {
		return sum, false
	}
	return f.index.Digest(f.paths[i], info)
}

// Learn lets later runs Recall the digest of a file; info described the file before it was read.
func (f *Files) Learn(i int, info fs.FileInfo, sum [sha256.Size]byte) {
	if f.index != nil {
		f.index.Learn(f.paths[i], info, sum)
	}
}
