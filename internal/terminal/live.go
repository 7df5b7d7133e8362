package terminal

import "io"

// Live writes lines that stay and, on a terminal, one below them that is written over again and
// again. It is for one goroutine at a time.
type Live struct {
	Terminal
	w     io.Writer
	below string // the line that stands below
}

// NewLive returns a Live that writes to w.
func NewLive(w io.Writer) *Live { return LiveOn(w, Of(w)) }

// LiveOn returns a Live that writes to w as if it were t.
func LiveOn(w io.Writer, t Terminal) *Live { return &Live{Terminal: t, w: w} }

// Print writes a line that stays. The line below stands below it again.
func (l *Live) Print(line string) {
	if l.below == "" {
		l.write(line + "\n")
		return
	}
	l.write("\r" + line + "\x1b[K\n" + l.below)
}

// Show writes the line below over. What does not fit the width of the terminal is cut off.
func (l *Live) Show(line string) {
	if !l.Is() {
		return
	}
	if line = Cut(line, l.Width()-1); line == l.below {
		return
	}
	l.below = line
	l.write("\r" + line + "\x1b[K")
}

// Clear takes the line below away.
func (l *Live) Clear() {
	if l.below != "" {
		l.below = ""
		l.write("\r\x1b[K")
	}
}

// write writes in one piece, so that nothing flickers. A terminal that is gone is no reason to stop.
func (l *Live) write(s string) { _, _ = io.WriteString(l.w, s) }
