package shards

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"

	"github.com/parquet-go/parquet-go"
)

// page is some files that follow each other in a table.
type page struct {
	first int // row of the table
	files [][]byte
}

// reader reads the pages of one group of rows in order.
type reader struct {
	shard *shard
	group int
	next  int // row of the table with which the next page begins
	last  int // rows of the last page
	pages parquet.Pages
}

// content returns the file of a row. It must not be changed. The page that holds it is kept, as rows
// are mostly read in order.
func (t *table) content(row int) ([]byte, error) {
	i := sort.Search(len(t.shards), func(i int) bool { s := t.shards[i]; return s.first[len(s.groups)] > row })
	if i == len(t.shards) || t.shards[i].media == nil {
		return nil, fs.ErrNotExist
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for row < t.page.first || row >= t.page.first+len(t.page.files) {
		if err := t.read(t.shards[i], row); err != nil {
			t.at = reader{}
			return nil, err
		}
	}
	b := t.page.files[row-t.page.first]
	if b == nil {
		return nil, errors.New("the row holds no file, only where one was")
	}
	return b, nil
}

// read reads the page that holds a row of a shard, or the next one on the way to it.
func (t *table) read(s *shard, row int) (err error) {
	defer guard(s.file, &err)
	bad := func(err error) error { return damaged(s.file, fmt.Errorf("column %s: %w", s.media.name, err)) }
	group := sort.Search(len(s.groups), func(i int) bool { return s.first[i+1] > row })
	at := &t.at
	if at.shard != s || at.group != group {
		if at.pages != nil {
			at.pages.Close()
		}
		*at = reader{shard: s, group: group, next: s.first[group], pages: s.groups[group].ColumnChunks()[s.media.bytes.Index()].Pages()}
	}
	if near := at.next + 4*at.last; row < at.next || row > near { // so far a seek would not be worth its while
		if err := at.pages.SeekToRow(int64(row - s.first[group])); err != nil {
			return bad(err)
		}
		at.next = row
	}
	p, err := at.pages.ReadPage()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return bad(err)
	}
	t.page = page{first: at.next}
	err = valuesOf(p, func(v parquet.Value) error {
		b := []byte(nil)
		if !v.IsNull() {
			b = append([]byte{}, v.ByteArray()...)
		}
		t.page.files = append(t.page.files, b)
		return nil
	})
	if err != nil {
		t.page = page{}
		return bad(err)
	}
	at.last = len(t.page.files)
	at.next += at.last
	return nil
}
