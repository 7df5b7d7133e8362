package task

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The names in a list of labels of what has no letter: the blank of CTC, and a space.
const (
	blankName = "<blank>"
	spaceName = "<space>"
)

// ScoreNames returns a name for every score of a task, as a list of labels has them, one a line; nil
// if they have none. Those of CTC begin with <blank>; a space is <space>, other white space as
// <U+000A>.
func ScoreNames(t Task) []string {
	if t.Name() != NameCTC {
		return t.Names()
	}
	names := []string{blankName}
	for _, s := range t.Names() {
		if r, n := utf8.DecodeRuneInString(s); s == " " {
			s = spaceName
		} else if n == len(s) && unicode.IsSpace(r) {
			s = fmt.Sprintf("<U+%04X>", r)
		}
		names = append(names, s)
	}
	return names
}

// Symbols undoes ScoreNames for CTC. It reports false for names that do not begin with the blank.
func Symbols(names []string) ([]string, bool) {
	if len(names) == 0 || names[0] != blankName {
		return nil, false
	}
	var symbols []string
	for _, s := range names[1:] {
		code, ok := strings.CutPrefix(strings.TrimSuffix(s, ">"), "<U+")
		if s == spaceName {
			s = " "
		} else if r, err := strconv.ParseInt(code, 16, 32); ok && err == nil && unicode.IsSpace(rune(r)) {
			s = string(rune(r))
		}
		symbols = append(symbols, s)
	}
	return symbols, true
}
