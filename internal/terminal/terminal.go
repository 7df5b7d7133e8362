// Package terminal knows the place where text is shown to a person: whether it is a terminal, how
// wide it is, and whether it takes colours. Live is a line there that is written over.
//
// In: a writer. Out: text that fits it. It knows nothing of what the text says.
package terminal

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Terminal is the place that a writer writes to. The zero Terminal is a file: any width, no colours.
type Terminal struct {
	width  func() int // nil: no terminal
	colour bool
}

// Of looks at a writer. It is a terminal if it has the Fd of one and TERM is not dumb. It takes
// colours unless NO_COLOR is set (https://no-color.org).
func Of(w io.Writer) Terminal {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" || !understands(f.Fd()) {
		return Terminal{}
	}
	return Terminal{colour: os.Getenv("NO_COLOR") == "", width: func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}}
}

// Fixed is a terminal of a width, for tests.
func Fixed(width int, colour bool) Terminal {
	return Terminal{width: func() int { return width }, colour: colour}
}

// Is reports whether this is a terminal.
func (t Terminal) Is() bool { return t.width != nil }

// Width is the number of columns, 0 where any number will do.
func (t Terminal) Width() int {
	if t.width == nil {
		return 0
	}
	return t.width()
}

// Ice colours text about what is frozen.
func (t Terminal) Ice(s string) string { return t.paint("36", s) }

// Warm colours text about what is thawed.
func (t Terminal) Warm(s string) string { return t.paint("33", s) }

// Faint colours text of less weight.
func (t Terminal) Faint(s string) string { return t.paint("2", s) }

// Bold makes text stand out.
func (t Terminal) Bold(s string) string { return t.paint("1", s) }

// paint wraps text in a Select Graphic Rendition sequence (ECMA-48).
func (t Terminal) paint(code, s string) string {
	if !t.colour || strings.TrimSpace(s) == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[m"
}

// Columns counts the columns of text. Colours take none.
func Columns(s string) int {
	n := 0
	visible(s, func(int) bool { n++; return true })
	return n
}

// Cut shortens text to a number of columns. The last one is then … .
func Cut(s string, columns int) string {
	if columns < 1 {
		return ""
	}
	seen, last := 0, 0
	whole := visible(s, func(at int) bool {
		if seen++; seen == columns {
			last = at
		}
		return seen <= columns
	})
	if whole {
		return s
	}
	s = s[:last] + "…"
	if strings.Contains(s, "\x1b") {
		s += "\x1b[m"
	}
	return s
}

// visible gives the place of each character that is no part of a colour, until f returns false.
func visible(s string, f func(at int) bool) bool {
	escape := false
	for i, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case !f(i):
			return false
		}
	}
	return true
}

// Wrap breaks text without colours between words, so that it fits the width. Lines after the first
// are indented. Where any width will do, the text stays one line.
func (t Terminal) Wrap(s string, indent int) string {
	width := t.Width()
	if width == 0 || indent+8 > width {
		return s
	}
	var b strings.Builder
	column := 0
	for _, word := range strings.SplitAfter(s, " ") {
		n := len([]rune(strings.TrimRight(word, " ")))
		if column+n > width && column > indent {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		}
		b.WriteString(word)
		column += len([]rune(word))
	}
	return b.String()
}
