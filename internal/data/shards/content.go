package shards

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
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
	pages *pages
}

// content returns the file of a row. It must not be changed. The page that holds it is kept, as rows
// are mostly read in order.
func (t *table) content(row int) ([]byte, error) {
	i := sort.Search(len(t.shards), func(i int) bool { return t.shards[i].end() > row })
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
	at := &t.at
	group := sort.Search(len(s.first)-2, func(i int) bool { return s.first[i+1] > row })
	if at.shard != s || at.group != group || row < at.next {
		*at = reader{shard: s, group: group, next: s.first[group], pages: s.pages(group, s.media.bytes)}
	}
	values, passed, err := at.pages.next(row - at.next)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		t.page = page{}
		return bad(err)
	}
	t.page = page{first: at.next + passed}
	for _, v := range values {
		b := v.b
		if v.null {
			b = nil
		} else if b == nil {
			b = []byte{}
		}
		t.page.files = append(t.page.files, b)
	}
	at.next = t.page.first + len(values)
	return nil
}
