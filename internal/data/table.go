package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Columns names the columns of a table; "" stands for the default names.
type Columns struct{ Text, Label string }

// unused errors if a column is named and p is no table.
func (c Columns) unused(p Place) error {
	for _, o := range []struct{ key, name string }{{"text_column", c.Text}, {"label_column", c.Label}} {
		if o.name != "" {
			return option.Errorf(o.key, "%s: %s is a folder of class folders, whose names are the labels; leave it out", o.name, p.Path)
		}
	}
	return nil
}

// Table is a file of rows with named columns. It is CSV or TSV with a header line, or JSONL with
// one object per line, whose keys name the columns. Cells are text. A JSON number or truth value is
// kept as written, null is empty, and an array is its elements joined by "|".
type Table struct {
	Path    string
	Columns []string
	Rows    [][]string // a cell for every column
	Lines   []int      // by row, from 1
	Remarks []string   // how it was read, where its name does not say so

	separator rune // between the columns of a CSV or TSV
}

// TableFormats are the file extensions of tables.
var TableFormats = []string{".csv", ".tsv", ".jsonl"}

// IsTable reports whether a place is a table: rows in memory, or a path with a table's extension
// that is not a folder.
func IsTable(p Place) bool {
	return p.Rows != nil || slices.Contains(TableFormats, strings.ToLower(filepath.Ext(p.Path))) && !p.IsDir()
}

// ReadTable reads a table. It errors, naming the line, where a row does not fit the columns, on two
// columns of a name, and on a table without rows.
func ReadTable(p Place) (*Table, error) {
	if p.Rows != nil {
		return p.Rows, nil
	}
	b, err := p.ReadFile()
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	t := &Table{Path: p.Path}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if err := checkUTF8(b); err != nil {
		return nil, fmt.Errorf("data: %s: %w", p.Path, err)
	}
	switch strings.ToLower(filepath.Ext(p.Path)) {
	case ".jsonl":
		err = t.readJSON(b)
	case ".tsv":
		err = t.readCSV(b, t.findSeparator(b, '\t'))
	default:
		err = t.readCSV(b, t.findSeparator(b, ','))
	}
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", p.Path, err)
	}
	if len(t.Rows) == 0 {
		return nil, fmt.Errorf("data: %s has no rows", p.Path)
	}
	if p.part != noSplit {
		return t, t.only(p)
	}
	return t, nil
}

// checkUTF8 errors on text in an encoding other than UTF-8.
func checkUTF8(b []byte) error {
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return errors.New("the text is UTF-16: save it as UTF-8")
	}
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			return fmt.Errorf("line %d is not UTF-8: save the table as UTF-8", 1+bytes.Count(b[:len(b)-len(rest)], []byte("\n")))
		}
		rest = rest[n:]
	}
	return nil
}

func (t *Table) readCSV(b []byte, comma rune) error {
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.LazyQuotes, r.ReuseRecord = comma, comma == '\t', false
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if errors.Is(err, csv.ErrFieldCount) {
			line, _ := r.FieldPos(0)
			return fmt.Errorf("line %d has %d cells, the line of names %d", line, len(row), len(t.Columns))
		}
		if err != nil {
			return err // it names the line
		}
		if t.Columns == nil {
			for _, c := range row {
				c = strings.TrimSpace(c)
				if c != "" && slices.Contains(t.Columns, c) {
					return fmt.Errorf("two columns have the name %s: rename one", c)
				}
				t.Columns = append(t.Columns, c)
			}
			continue
		}
		line, _ := r.FieldPos(0)
		t.Rows, t.Lines = append(t.Rows, row), append(t.Lines, line)
	}
}

func (t *Table) readJSON(b []byte) error {
	var objects []map[string]json.RawMessage
	names := map[string]bool{}
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, len(b)+1)
	for line := 1; s.Scan(); line++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		var o map[string]json.RawMessage
		if err := json.Unmarshal(s.Bytes(), &o); err != nil {
			return fmt.Errorf("line %d is no JSON object: %w", line, err)
		}
		for k := range o {
			names[k] = true
		}
		objects, t.Lines = append(objects, o), append(t.Lines, line)
	}
	t.Columns = slices.Sorted(maps.Keys(names))
	for i, o := range objects {
		row := make([]string, len(t.Columns))
		for k, name := range t.Columns {
			var err error
			if row[k], err = cell(o[name]); err != nil {
				return fmt.Errorf("line %d: %s: %w", t.Lines[i], name, err)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return nil
}

// cell is a JSON value as text.
func cell(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", nil
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case raw[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return "", err
		}
		parts := make([]string, len(list))
		for i, e := range list {
			if e = bytes.TrimSpace(e); len(e) > 0 && e[0] == '[' {
				return "", errors.New("an array in an array is no cell")
			}
			var err error
			if parts[i], err = cell(e); err != nil {
				return "", err
			}
		}
		return strings.Join(parts, "|"), nil
	case raw[0] == '{':
		return "", errors.New("an object is no cell")
	}
	return string(raw), nil
}

// Column returns the index of the first of the named columns that the table has, -1 if it has none.
func (t *Table) Column(names ...string) int {
	for _, name := range names {
		if i := slices.Index(t.Columns, name); i >= 0 {
			return i
		}
	}
	return -1
}

// Need is Column, but errors if the table has none of them, and lists its columns.
func (t *Table) Need(flag string, names ...string) (int, error) {
	if i := t.Column(names...); i >= 0 {
		return i, nil
	}
	text := fmt.Sprintf("data: %s has no column %s: it has %s", t.Path, strings.Join(names, " or "), list(t.Columns))
	if flag != "" {
		text += "; name one with " + flag
	}
	return -1, errors.New(text)
}
