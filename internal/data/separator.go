package data

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
)

// separators may stand between the columns of a table, whatever it is called.
var separators = []rune{',', ';', '\t', '|'}

// saysSeparator reads the first line of a table where it is sep=; as Excel takes it. In the rest the
// line is empty, so that lines keep their numbers.
func saysSeparator(b []byte) (separator rune, rest []byte, ok bool) {
	end := bytes.IndexAny(b, "\r\n")
	if end < 0 {
		return 0, nil, false
	}
	line := strings.ToLower(strings.Trim(string(b[:end]), `"`))
	said := []rune(strings.TrimPrefix(line, "sep="))
	if !strings.HasPrefix(line, "sep=") || len(said) != 1 || !slices.Contains(separators, said[0]) {
		return 0, nil, false
	}
	return said[0], b[end:], true
}

// findSeparator finds what divides the columns of a table: the usual character of its extension, or
// another one where only that divides the first rows into the columns of the line of names. It
// remarks another one.
func (t *Table) findSeparator(b []byte, usual rune) rune {
	t.separator = usual
	if columns(b, usual) > 1 {
		return usual
	}
	found, most := usual, 1
	for _, s := range separators {
		if n := columns(b, s); n > most {
			found, most = s, n
		}
	}
	if found != usual {
		t.separator = found
		t.Remarks = append(t.Remarks, fmt.Sprintf("%s: columns are divided by %q", t.Path, found))
	}
	return found
}

// columns is the number of columns into which a separator divides the line of names and the next
// rows alike, else 0.
func columns(b []byte, separator rune) int {
	const rows = 20
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.LazyQuotes = separator, true
	n := 0
	for range rows {
		row, err := r.Read()
		if err != nil { // the end, or another number of cells
			if row != nil {
				return 0
			}
			break
		}
		n = len(row)
	}
	return n
}
