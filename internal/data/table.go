package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Columns names the columns of a table; "" stands for the default names.
type Columns struct {
	Text, Label string
	// Group is a column that says which examples belong together; of files it may be a regular
	// expression over their paths, with one pair of parentheses around what names the group. "":
	// none are known to.
	Group string
}

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
// kept as written, null is empty, and an array is its elements joined by "|"; arrays in it, of
// numbers, are joined by spaces.
type Table struct {
	Path    string
	Columns []string
	Rows    [][]string // a cell for every column
	Lines   []int      // by row, from 1
	Remarks []string   // how it was read, where its name does not say so
	// there is no line of names: the first line is numbers, and columns are called 1, 2, ...
	Unnamed bool

	separator rune         // between the columns of a CSV or TSV
	nested    map[int]bool // columns of arrays in arrays of numbers
	commas    bool         // numbers had decimal commas, see Numbers
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
	if err := t.read(b); err != nil {
		return nil, fmt.Errorf("data: %s: %w", p.Path, err)
	}
	if len(t.Rows) == 0 {
		if t.Columns != nil {
			return nil, fmt.Errorf("data: %s has no rows below the names of its columns, %s", p.Path, list(t.Columns))
		}
		return nil, fmt.Errorf("data: %s has no rows", p.Path)
	}
	if p.part != noSplit {
		return t, t.only(p)
	}
	return t, nil
}

// headSize is how many bytes of a table are read to see what it holds.
const headSize = 1 << 20

// TableHead reads the first rows of a table, to see what it holds. There may be none.
func TableHead(p Place) (*Table, error) {
	if p.Rows != nil {
		return p.Rows, nil
	}
	f, err := p.files().Open(p.Path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, headSize))
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	whole := len(b) < headSize
	if end := max(bytes.LastIndexByte(b, '\n'), bytes.LastIndexByte(b, '\r')); !whole && end >= 0 {
		b = b[:end+1]
	}
	t := &Table{Path: p.Path}
	if err := t.read(b); err != nil && (whole || len(t.Rows) == 0) { // else the cut may have made it
		return nil, fmt.Errorf("data: %s: %w", p.Path, err)
	}
	return t, nil
}

// read reads the content of a table. Without a usual extension the content tells the format.
func (t *Table) read(b []byte) error {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if err := checkUTF8(b); err != nil {
		return err
	}
	if !bytes.ContainsRune(b, '\n') { // the ends of lines of old Macs, and of Excel's CSV for them
		b = bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
	}
	ext := strings.ToLower(filepath.Ext(t.Path))
	switch {
	case ext == ".jsonl", !slices.Contains(TableFormats, ext) && bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")):
		return t.readJSON(b)
	}
	if separator, rest, ok := saysSeparator(b); ok {
		t.separator = separator
		return t.readCSV(rest, separator)
	}
	if ext == ".tsv" {
		return t.readCSV(b, t.findSeparator(b, '\t'))
	}
	return t.readCSV(b, t.findSeparator(b, ','))
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
			return fmt.Errorf("line %d has %d cells, line 1 has %d", line, len(row), len(t.Columns))
		}
		if err != nil {
			return err // it names the line
		}
		if t.Columns == nil && t.unnamed(row) {
			t.Unnamed = true
			for i := range row {
				t.Columns = append(t.Columns, strconv.Itoa(i+1))
			}
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
		t.addColumns(s.Bytes(), o)
		objects, t.Lines = append(objects, o), append(t.Lines, line)
	}
	for i, o := range objects {
		row := make([]string, len(t.Columns))
		for k, name := range t.Columns {
			var err error
			var nested bool
			if row[k], nested, err = cell(o[name]); err != nil {
				return fmt.Errorf("line %d: %s: %w", t.Lines[i], name, err)
			}
			if nested {
				if t.nested == nil {
					t.nested = map[int]bool{}
				}
				t.nested[k] = true
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return nil
}

// addColumns adds the keys of an object that are new, in the order of its text.
func (t *Table) addColumns(text []byte, o map[string]json.RawMessage) {
	known := 0
	for _, c := range t.Columns {
		if _, ok := o[c]; ok {
			known++
		}
	}
	if known == len(o) {
		return
	}
	d := json.NewDecoder(bytes.NewReader(text)) // the text was parsed before: it has no errors
	d.Token()                                   //nolint:errcheck
	for d.More() {
		key, _ := d.Token()
		if name, ok := key.(string); ok && !slices.Contains(t.Columns, name) {
			t.Columns = append(t.Columns, name)
		}
		var value json.RawMessage
		d.Decode(&value) //nolint:errcheck
	}
}

// cell is a JSON value as text; nested reports arrays in an array.
func cell(raw json.RawMessage) (text string, nested bool, err error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", false, nil
	case raw[0] == '"':
		err := json.Unmarshal(raw, &text)
		return text, false, err
	case raw[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return "", false, err
		}
		parts := make([]string, len(list))
		for i, e := range list {
			if e = bytes.TrimSpace(e); len(e) > 0 && e[0] == '[' {
				nested = true
				if parts[i], err = numbersOf(e); err != nil {
					return "", false, err
				}
				continue
			}
			if parts[i], _, err = cell(e); err != nil {
				return "", false, err
			}
		}
		return strings.Join(parts, "|"), nested, nil
	case raw[0] == '{':
		return "", false, errors.New("an object is no cell")
	}
	return string(raw), false, nil
}

// numbersOf is a JSON array of numbers, at any depth, divided by spaces.
func numbersOf(raw json.RawMessage) (string, error) {
	inner := strings.NewReplacer("[", " ", "]", " ", ",", " ").Replace(string(raw))
	if strings.Trim(inner, "+-.0123456789eE \t") != "" {
		return "", errors.New("an array in an array is no cell, unless all is numbers")
	}
	return strings.Join(strings.Fields(inner), " "), nil
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
		if t.nested[i] {
			return -1, fmt.Errorf("data: %s: the column %s holds arrays in arrays, which only vectors are", t.Path, t.Columns[i])
		}
		return i, nil
	}
	if t.Unnamed {
		return -1, fmt.Errorf("data: %s: line 1 is numbers (%s), where the names of the columns belong: put a line of names above", t.Path, list(t.Rows[0]))
	}
	text := fmt.Sprintf("data: %s has no column %s: it has %s", t.Path, strings.Join(names, " or "), list(t.Columns))
	if flag != "" {
		text += "; name one with " + flag
	}
	return -1, errors.New(text)
}
