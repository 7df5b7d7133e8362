package shards

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"time"
)

// info describes a file or the folder.
type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string       { return path.Base(i.name) }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// content is the file of a row, which can be read at any offset.
type content struct {
	*bytes.Reader
	info info
}

func newContent(name string, b []byte) *content {
	return &content{bytes.NewReader(b), info{name: name, size: int64(len(b))}}
}

func (f *content) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *content) Close() error               { return nil }

// lines is a table in JSON lines, of which a group of rows at a time is in memory. Its size is not
// known.
type lines struct {
	info  info
	table *table
	shard int
	group int
	row   int // of the table
	rest  bytes.Buffer
}

func (f *lines) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *lines) Close() error               { return nil }

func (f *lines) Read(b []byte) (int, error) {
	for f.rest.Len() == 0 {
		if f.shard == len(f.table.shards) {
			return 0, io.EOF
		}
		s := f.table.shards[f.shard]
		if f.group == len(s.meta.RowGroups) {
			f.shard, f.group = f.shard+1, 0
			continue
		}
		n, err := s.write(&f.rest, f.group, f.table, f.row)
		if err != nil {
			return 0, err
		}
		f.row, f.group = f.row+n, f.group+1
	}
	return f.rest.Read(b)
}
