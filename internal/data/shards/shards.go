// Package shards shows Parquet files as the files that the rest of the program reads: a data set as
// the Hugging Face hub stores it becomes tables in JSON lines and, where a column holds pictures or
// sounds, a file for each row. Nothing is unpacked: a table is written while it is read, and a file
// is read from its shard when it is opened.
//
// In: tables, each with its shards. Out: a file system of ROOT/NAME.jsonl for each table and
// ROOT/NAME/ROW-FILE for its rows. Names of classes come from the description of the columns that the
// hub leaves in the files' metadata under the key huggingface.
package shards

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Table is a table and the files that hold its rows, in order.
type Table struct {
	Name  string
	Files []string
}

// Set is the file system of some tables. It may be used from many goroutines. Its shards are open
// until it is collected.
type Set struct {
	root   string
	tables map[string]func() (*table, error) // by name
	names  []string
}

// New returns the file system of tables below a folder named root. Files are opened when they are
// first read.
func New(root string, tables []Table) *Set {
	s := &Set{root: root, tables: map[string]func() (*table, error){}}
	for _, t := range tables {
		s.names = append(s.names, t.Name)
		s.tables[t.Name] = sync.OnceValues(func() (*table, error) { return openTable(t) })
	}
	return s
}

// TablePath is the path of a table.
func (s *Set) TablePath(name string) string { return path.Join(s.root, name+tableEnding) }

const tableEnding = ".jsonl"

// Open opens a table, the file of a row, or the folder of the tables.
func (s *Set) Open(name string) (fs.File, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func (s *Set) open(name string) (fs.File, error) {
	if path.Clean(name) == path.Clean(s.root) {
		return &folder{set: s}, nil
	}
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(s.root, "/")+"/")
	if !ok {
		return nil, fs.ErrNotExist
	}
	if of, ok := strings.CutSuffix(rest, tableEnding); ok && s.tables[of] != nil {
		t, err := s.tables[of]()
		if err != nil {
			return nil, err
		}
		return &lines{info: info{name: rest}, table: t}, nil
	}
	of, file, _ := strings.Cut(rest, "/")
	number, _, _ := strings.Cut(strings.ReplaceAll(file, ".", "-"), "-")
	row, err := strconv.Atoi(number)
	if s.tables[of] == nil || err != nil || row < 0 {
		return nil, fs.ErrNotExist
	}
	t, err := s.tables[of]()
	if err != nil {
		return nil, err
	}
	b, err := t.content(row)
	if err != nil {
		return nil, err
	}
	return newContent(file, b), nil
}

// folder is the folder of the tables.
type folder struct {
	set  *Set
	read int // entries that were returned
}

func (f *folder) Stat() (fs.FileInfo, error) { return info{name: f.set.root, dir: true}, nil }
func (f *folder) Close() error               { return nil }
func (f *folder) Read([]byte) (int, error)   { return 0, errors.New("is a folder") }

func (f *folder) ReadDir(n int) (entries []fs.DirEntry, err error) {
	names := f.set.names[f.read:]
	if n > 0 {
		names = names[:min(n, len(names))]
	}
	for _, name := range names {
		entries = append(entries, fs.FileInfoToDirEntry(info{name: name + tableEnding}))
	}
	f.read += len(names)
	return entries, nil
}

// damaged is an error in a shard.
func damaged(file string, err error) error {
	return fmt.Errorf("%s: damaged, or no Parquet file: %w", file, err)
}

// guard turns a panic of the Parquet library, which damaged files can cause, into an error.
func guard(file string, err *error) {
	if p := recover(); p != nil {
		*err = damaged(file, fmt.Errorf("%v", p))
	}
}
