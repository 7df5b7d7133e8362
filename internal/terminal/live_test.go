package terminal

import (
	"strings"
	"testing"
)

func TestLive(t *testing.T) {
	for _, c := range []struct {
		name string
		on   Terminal
		want string
	}{
		{"terminal", Fixed(10, false), "\rshort\x1b[K\ra line that stays\x1b[K\nshort\rmuch too…\x1b[K\r\x1b[K"},
		{"file", Terminal{}, "a line that stays\n"},
	} {
		var b strings.Builder
		l := LiveOn(&b, c.on)
		l.Show("short")
		l.Show("short") // nothing to write
		l.Print("a line that stays")
		l.Show("much too long")
		l.Clear()
		l.Clear() // nothing to take away
		if b.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, b.String(), c.want)
		}
	}
}

func TestOf(t *testing.T) {
	if t1 := Of(new(strings.Builder)); t1.Is() || t1.Width() != 0 || t1.Ice("x") != "x" {
		t.Error("a strings.Builder is a terminal")
	}
	if s := Fixed(80, true).Ice("x"); s != "\x1b[36mx\x1b[m" {
		t.Errorf("%q", s)
	}
	if s := Fixed(80, true).Warm("  "); s != "  " {
		t.Errorf("white space is coloured: %q", s)
	}
}

func TestCut(t *testing.T) {
	red := "\x1b[31m" + "word" + "\x1b[m"
	for _, c := range []struct {
		s       string
		columns int
		want    string
	}{
		{"word", 4, "word"}, {"words", 4, "wor…"}, {"words", 1, "…"}, {"words", 0, ""}, {"", 3, ""}, {"äöüß", 3, "äö…"},
		{red, 4, red}, {red, 3, "\x1b[31mwo…\x1b[m"}, {"a " + red, 3, "a \x1b[31m…\x1b[m"},
	} {
		if got := Cut(c.s, c.columns); got != c.want {
			t.Errorf("Cut(%q, %d) is %q, want %q", c.s, c.columns, got, c.want)
		}
	}
	if n := Columns(red + "é"); n != 5 {
		t.Errorf("%q has %d columns", red+"é", n)
	}
}

func TestWrap(t *testing.T) {
	const s = "blocks  stem.conv layer1.0 layer1.1"
	for _, c := range []struct {
		on   Terminal
		want string
	}{
		{Terminal{}, s},
		{Fixed(80, false), s},
		{Fixed(26, false), "blocks  stem.conv layer1.0 \n        layer1.1"},
		{Fixed(16, false), "blocks  stem.conv \n        layer1.0 \n        layer1.1"},
		{Fixed(10, false), s}, // there is no room
	} {
		if got := c.on.Wrap(s, 8); strings.ReplaceAll(got, " \n", "\n") != strings.ReplaceAll(c.want, " \n", "\n") {
			t.Errorf("%d columns: %q, want %q", c.on.Width(), got, c.want)
		}
	}
}
