package report

import (
	"strings"
	"testing"
)

func TestLive(t *testing.T) {
	for _, c := range []struct {
		name  string
		width func() int
		want  string
	}{
		{"terminal", func() int { return 10 }, "\rshort\x1b[K\r\x1b[Ka line that stays\n\rmuch too…\x1b[K\r\x1b[K"},
		{"file", nil, "a line that stays\n"},
	} {
		var b strings.Builder
		l := NewLive(&b)
		if l.Terminal() {
			t.Error("a strings.Builder is a terminal")
		}
		l.width = c.width
		l.Show("short")
		l.Print("a line that stays")
		l.Show("much too long")
		l.Clear()
		if b.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, b.String(), c.want)
		}
	}
}
