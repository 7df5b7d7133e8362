package data

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ColumnKind says what the cells of a column hold.
type ColumnKind int

const (
	EmptyColumn  ColumnKind = iota // no cell has a value
	NumberColumn                   // a number a cell
	ListColumn                     // several numbers a cell
	TextColumn                     // anything else
)

// ErrMissing is the error of a cell without a value.
var ErrMissing = errors.New("the cell has no number")

// KindOf says what most cells of a column hold.
func (t *Table) KindOf(column int) ColumnKind {
	var counts [4]int
	for r := range t.Rows {
		numbers, err := t.Numbers(r, column)
		switch {
		case errors.Is(err, ErrMissing):
		case err != nil && len(numbers) == 0:
			counts[TextColumn]++
		case len(numbers) > 1:
			counts[ListColumn]++
		default:
			counts[NumberColumn]++
		}
	}
	kind := EmptyColumn
	for k, n := range counts {
		if n > 0 && n >= counts[kind] {
			kind = ColumnKind(k)
		}
	}
	return kind
}

// CountsRows reports whether a column numbers the rows: it is named so, or its cells do.
func (t *Table) CountsRows(column int) bool {
	return IsIndexName(t.Columns[column]) || t.Rises(column)
}

// Rises reports whether the cells of a column are whole numbers that rise by one from row to row.
func (t *Table) Rises(column int) bool {
	last := math.NaN()
	for r := range t.Rows {
		n, err := t.Numbers(r, column)
		if err != nil || len(n) != 1 || r > 0 && n[0] != last+1 || n[0] != math.Trunc(n[0]) {
			return false
		}
		last = n[0]
	}
	return len(t.Rows) > 3
}

// IsIndexName reports whether a column of this name usually numbers the rows.
func IsIndexName(name string) bool {
	return slices.Contains([]string{"", "id", "index", "idx", "row", "rowid", "row_id", "unnamed: 0"}, strings.ToLower(name))
}

// Numbers reads the numbers of a cell: one, or several divided by spaces or "|" or, in brackets, by
// commas. True is 1 and false is 0. A comma is a decimal point where it does not divide columns. It
// errors with ErrMissing on an empty cell, a NaN, or another word for no value. On a cell with
// something else in it, it returns the numbers before that beside the error.
func (t *Table) Numbers(row, column int) ([]float64, error) { return t.AppendNumbers(nil, row, column) }

// AppendNumbers is Numbers that appends to out.
func (t *Table) AppendNumbers(out []float64, row, column int) ([]float64, error) {
	cell := strings.TrimSpace(t.Rows[row][column])
	if isPlain(cell) {
		if v, err := strconv.ParseFloat(cell, 64); err == nil {
			return append(out, v), nil
		}
	}
	if isMissing(cell) {
		if cell == "" {
			return out, ErrMissing
		}
		return out, fmt.Errorf("%w: it says %q", ErrMissing, cell)
	}
	before := len(out)
	between := " \t|"
	if bare := strings.TrimSuffix(strings.TrimPrefix(cell, "["), "]"); len(bare) == len(cell)-2 {
		cell, between = bare, between+","
	}
	for _, word := range strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(between, r) }) {
		v, err := t.number(word)
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	if len(out) == before {
		return out, ErrMissing
	}
	return out, nil
}

// isPlain reports whether a text has the characters of a decimal number only.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return false
		}
	}
	return s != ""
}

// number reads a word as a number.
func (t *Table) number(word string) (float64, error) {
	switch strings.ToLower(word) {
	case "true":
		return 1, nil
	case "false":
		return 0, nil
	}
	point := word
	if t.separator != 0 && t.separator != ',' {
		point = strings.Replace(word, ",", ".", 1)
	}
	if isMissing(word) {
		return 0, fmt.Errorf("%w: it says %q", ErrMissing, word)
	}
	v, err := strconv.ParseFloat(point, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || math.IsInf(v, 0):
		return 0, fmt.Errorf("%s is no finite number", word)
	case err != nil || !isPlain(point):
		return 0, fmt.Errorf("%q is no number", word)
	}
	t.commas = t.commas || point != word
	return v, nil
}

// DecimalCommas reports whether Numbers has read commas as decimal points.
func (t *Table) DecimalCommas() bool { return t.commas }

// unnamed reports whether the first line of a table is a row and no line of names: all its cells
// are numbers, and they do not count the columns, as names made by a program do.
func (t *Table) unnamed(row []string) bool {
	line := &Table{Rows: [][]string{row}, separator: t.separator}
	counting := len(row) > 2
	first := math.NaN()
	for i := range row {
		n, err := line.Numbers(0, i)
		if err != nil {
			return false
		}
		if i == 0 {
			first = n[0]
		}
		counting = counting && len(n) == 1 && n[0] == first+float64(i) && (first == 0 || first == 1)
	}
	return !counting
}
