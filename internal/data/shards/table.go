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
	file string
	*parquet
	first []int // row of the table at which each group begins, and where the last one ends
	cells []column
	media *media
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
		row = s.end()
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
	p, err := openParquet(f, st.Size())
	if err != nil {
		f.Close()
		return nil, damaged(file, err)
	}
	s = &shard{file: file, parquet: p, first: []int{row}}
	for _, g := range p.meta.RowGroups {
		row += int(g.NumRows)
		s.first = append(s.first, row)
	}
	s.cells, s.media = columnsOf(p)
	return s, nil
}

// end is the row of the table with which the next shard begins.
func (s *shard) end() int { return s.first[len(s.first)-1] }

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
		of, err := c.rows(s.parquet, group, n)
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
		if paths, err = (&column{leaf: s.media.path}).rows(s.parquet, group, len(out)); err != nil {
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
func (c *column) rows(p *parquet, group, n int) ([][]byte, error) {
	out := make([][]byte, 0, n)
	pages := p.pages(group, c.leaf)
	for {
		values, _, err := pages.next(0)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			switch {
			case !c.list:
				out = append(out, c.cell(v))
				continue
			case v.rep == 0:
				out = append(out, []byte("[]"))
			case len(out) == 0:
				return nil, errors.New("a list has no beginning")
			}
			if v.null {
				continue // the list, or this one of its elements
			}
			last := out[len(out)-1]
			if last = last[:len(last)-1]; len(last) > 1 {
				last = append(last, ',')
			}
			out[len(out)-1] = append(append(last, c.cell(v)...), ']')
		}
	}
	if len(out) != n {
		return nil, fmt.Errorf("has %d rows of %d", len(out), n)
	}
	return out, nil
}
