package data

import (
	"bytes"
	"io/fs"
	"path"
	"time"
)

// Memory is a file system of files in memory, by name, without folders.
type Memory map[string][]byte

// Open opens a file. It can be read at any offset, see [io.ReaderAt].
func (m Memory) Open(name string) (fs.File, error) {
	b, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memoryFile{bytes.NewReader(b), name, len(b)}, nil
}

type memoryFile struct {
	*bytes.Reader
	name string
	size int
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return memoryInfo{path.Base(f.name), f.size}, nil }
func (f *memoryFile) Close() error               { return nil }

type memoryInfo struct {
	name string
	size int
}

func (i memoryInfo) Name() string       { return i.name }
func (i memoryInfo) Size() int64        { return int64(i.size) }
func (i memoryInfo) Mode() fs.FileMode  { return 0o444 }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return false }
func (i memoryInfo) Sys() any           { return nil }
