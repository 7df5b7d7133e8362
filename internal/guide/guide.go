// Package guide holds pages of reference about what options take: preprocessor files, augmentation,
// selectors, data.
//
// Comes in: the lists from which other packages read what a user writes. Goes out: pages, as text
// for a terminal and as Markdown for docs. It reads and checks nothing itself.
package guide

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/spec"
)

// Page is one page.
type Page struct {
	Name  string // as in permafrost help NAME
	Short string // what it is about, a phrase
	Parts []Part
}

// Part is a heading with a text, a list, or both.
type Part struct {
	Title string // "" for the beginning of a page
	Text  string // paragraphs, separated by empty lines; code stands between backquotes
	List  []spec.Entry
}

// Pages lists all pages.
func Pages() []Page { return []Page{data, selectors, preprocess, augment} }

// Markdown returns a page of docs.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", capital(p.Short))
	for _, part := range p.Parts {
		if part.Title != "" {
			fmt.Fprintf(&b, "\n## %s\n", part.Title)
		}
		for paragraph := range strings.SplitSeq(part.Text, "\n\n") {
			if paragraph != "" {
				b.WriteString("\n" + wrap(paragraph, 115, "") + "\n")
			}
		}
		if len(part.List) > 0 {
			b.WriteString("\n| name | what |\n|---|---|\n")
		}
		for _, e := range part.List {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(e.Name, "|", `\|`), strings.ReplaceAll(e.Meaning, "|", `\|`))
		}
	}
	return b.String()
}

// The width of a page on a terminal, and of names before their meaning.
const (
	width     = 96
	nameWidth = 24
)

// Text returns a page for a terminal.
func (p Page) Text() string {
	var b strings.Builder
	b.WriteString(capital(p.Short) + ".\n")
	for _, part := range p.Parts {
		if part.Title != "" {
			b.WriteString("\n" + part.Title + ":\n")
		}
		for paragraph := range strings.SplitSeq(strings.ReplaceAll(part.Text, "`", ""), "\n\n") {
			if paragraph != "" {
				b.WriteString("\n" + wrap(paragraph, width, "") + "\n")
			}
		}
		if len(part.List) > 0 && part.Text != "" {
			b.WriteString("\n")
		}
		for _, e := range part.List {
			gap := strings.Repeat(" ", max(nameWidth-len(e.Name), 0))
			if len(e.Name) > nameWidth {
				gap = "\n" + strings.Repeat(" ", nameWidth+2)
			}
			meaning := wrap(e.Meaning, width-nameWidth-4, strings.Repeat(" ", nameWidth+4))
			b.WriteString("  " + e.Name + gap + "  " + meaning + "\n")
		}
	}
	return b.String()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// wrap breaks a text into lines of at most width bytes; all but the first begin with indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case n+1+len(word) > width:
			b.WriteString("\n" + indent)
			n = 0
		default:
			b.WriteString(" ")
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}
