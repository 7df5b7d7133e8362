package report

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Live writes lines that stay and, on a terminal, one below them that is written over again and
// again. It is for one goroutine at a time.
type Live struct {
	w     io.Writer
	width func() int // of the terminal; nil where there is none
}

// NewLive returns a Live that writes to w, which is a terminal if it is a file or has the Fd of one.
func NewLive(w io.Writer) *Live {
	l := &Live{w: w}
	f, ok := w.(interface{ Fd() uintptr })
	if ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		l.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width < 20 {
				return 80
			}
			return width
		}
	}
	return l
}

// Terminal reports whether there is a line that is written over.
func (l *Live) Terminal() bool { return l.width != nil }

// Print writes a line that stays. Show has to follow, where a line stood below.
func (l *Live) Print(line string) {
	l.Clear()
	fmt.Fprintln(l.w, line)
}

// Show writes the line below over. What does not fit the width of the terminal is cut off.
func (l *Live) Show(line string) {
	if l.width == nil {
		return
	}
	r := []rune(line)
	if most := l.width() - 1; len(r) > most {
		r = append(r[:most-1], '…')
	}
	fmt.Fprintf(l.w, "\r%s\x1b[K", string(r))
}

// Clear takes the line below away.
func (l *Live) Clear() {
	if l.width != nil {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}
