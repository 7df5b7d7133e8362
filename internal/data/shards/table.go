package shards

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go"
)

// table is an open table.
type table struct {
	name   string
	shards []*shard
	ending string // of files whose names are not known

	mu   sync.Mutex // guards the rest
	page page       // the one that was read last
	at   reader
}

// shard is one file of a table.
type shard struct {
	file   string
	groups []parquet.RowGroup
	first  []int // row of the table at which each group begins, and where the last one ends
	cells  []column
	media  *media
}

// openTable opens the files of a table.
func openTable(t Table) (*table, error) {
	out := &table{name: t.Name, ending: ".bin"}
	row := 0
	for _, file := range t.Files {
		s, err := openShard(file, row)
		if err != nil {
			return nil, err
		}
		if len(out.shards) > 0 {
			if a, b := out.shards[0].names(), s.names(); a != b {
				return nil, fmt.Errorf("%s has the columns %s, and %s has %s: they are no shards of one table", t.Files[0], a, file, b)
			}
		}
		row = s.first[len(s.groups)]
		out.shards = append(out.shards, s)
	}
	if len(out.shards) > 0 && out.shards[0].media != nil && row > 0 {
		if b, err := out.content(0); err == nil {
			out.ending = endingOf(b)
		}
	}
	return out, nil
}

// endingOf tells from a file's first bytes how its name would end.
func endingOf(b []byte) string {
	if bytes.HasPrefix(b, []byte("fLaC")) {
		return ".flac"
	}
	switch http.DetectContentType(b) {
	case "image/jpeg":
		return ".jpg"
	case "image/png":
		return ".png"
	case "image/gif":
		return ".gif"
	case "image/webp":
		return ".webp"
	case "image/bmp":
		return ".bmp"
	case "audio/wave":
		return ".wav"
	}
	return ".bin"
}

func openShard(file string, row int) (s *shard, err error) {
	defer guard(file, &err)
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	p, err := parquet.OpenFile(f, st.Size(), parquet.SkipBloomFilters(true))
	if err != nil {
		f.Close()
		return nil, damaged(file, err)
	}
	s = &shard{file: file, groups: p.RowGroups(), first: []int{row}}
	for _, g := range s.groups {
		row += int(g.NumRows())
		s.first = append(s.first, row)
	}
	s.cells, s.media = columnsOf(p)
	return s, nil
}

// names lists the columns.
func (s *shard) names() string {
	var names []string
	if s.media != nil {
		names = append(names, s.media.name)
	}
	for _, c := range s.cells {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// write writes the rows of a group in JSON lines, and returns their number. The first is row number
// row of the table.
func (s *shard) write(w *bytes.Buffer, group int, t *table, row int) (n int, err error) {
	defer guard(s.file, &err)
	n = s.first[group+1] - s.first[group]
	names := make([][]byte, 0, len(s.cells)+1)
	cells := make([][][]byte, 0, len(s.cells)+1)
	if s.media != nil {
		files, err := s.fileNames(group, t, row)
		if err != nil {
			return 0, err
		}
		names, cells = append(names, []byte(`"`+fileColumn+`":`)), append(cells, files)
	}
	for i := range s.cells {
		c := &s.cells[i]
		of, err := c.rows(s.groups[group], n)
		if err != nil {
			return 0, damaged(s.file, fmt.Errorf("column %s: %w", c.name, err))
		}
		key, err := json.Marshal(c.name)
		if err != nil {
			return 0, err
		}
		names, cells = append(names, append(key, ':')), append(cells, of)
	}
	for r := range n {
		w.WriteByte('{')
		for c := range cells {
			if c > 0 {
				w.WriteByte(',')
			}
			w.Write(names[c])
			w.Write(cells[c][r])
		}
		w.WriteString("}\n")
	}
	return n, nil
}

// fileNames returns the names of the files of a group's rows, in JSON: TABLE/ROW-NAME.
func (s *shard) fileNames(group int, t *table, row int) ([][]byte, error) {
	out := make([][]byte, s.first[group+1]-s.first[group])
	var paths [][]byte
	if s.media.path != nil {
		var err error
		if paths, err = (&column{leaf: s.media.path}).rows(s.groups[group], len(out)); err != nil {
			return nil, damaged(s.file, fmt.Errorf("column %s: %w", s.media.name, err))
		}
	}
	for i := range out {
		name := fmt.Sprintf("%s/%d", t.name, row+i)
		known := ""
		if paths != nil {
			json.Unmarshal(paths[i], &known) // null leaves it empty
		}
		switch base := path.Base(filepath.ToSlash(known)); {
		case known == "":
			name += t.ending
		case path.Ext(base) == "":
			name += "-" + base + t.ending
		default:
			name += "-" + base
		}
		b, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		out[i] = b
	}
	return out, nil
}

// rows returns the cells of a group of n rows, in JSON.
func (c *column) rows(g parquet.RowGroup, n int) ([][]byte, error) {
	out := make([][]byte, 0, n)
	pages := g.ColumnChunks()[c.leaf.Index()].Pages()
	defer pages.Close()
	err := eachValue(pages, func(v parquet.Value) error {
		if !c.list {
			out = append(out, c.cell(v))
			return nil
		}
		if v.RepetitionLevel() == 0 {
			out = append(out, []byte("[]"))
		}
		if len(out) == 0 {
			return errors.New("a list has no beginning")
		}
		if v.DefinitionLevel() == c.leaf.MaxDefinitionLevel() {
			last := out[len(out)-1]
			if last = last[:len(last)-1]; len(last) > 1 {
				last = append(last, ',')
			}
			out[len(out)-1] = append(append(last, c.cell(v)...), ']')
		}
		return nil
	})
	if err == nil && len(out) != n {
		err = fmt.Errorf("has %d rows of %d", len(out), n)
	}
	return out, err
}

// eachValue calls f with every value that is left in pages. It must not keep it.
func eachValue(pages parquet.Pages, f func(parquet.Value) error) error {
	for {
		p, err := pages.ReadPage()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = valuesOf(p, f)
		}
		if err != nil {
			return err
		}
	}
}

// valuesOf calls f with every value of a page, and releases it.
func valuesOf(p parquet.Page, f func(parquet.Value) error) error {
	defer parquet.Release(p)
	values := p.Values()
	var some [256]parquet.Value
	for {
		n, err := values.ReadValues(some[:])
		for _, v := range some[:n] {
			if err := f(v); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
