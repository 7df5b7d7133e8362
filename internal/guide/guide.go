// Package guide holds pages of reference about what options take: preprocessor files, augmentation,
// selectors, data.
//
// Comes in: the lists from which other packages read what a user writes. Goes out: pages, as text
// for a terminal and as Markdown for docs. It reads and checks nothing itself.
package guide

import (
	"fmt"
	"regexp"
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
	Text  string // paragraphs, separated by empty lines; code stands between backquotes, an option between braces
	List  []spec.Entry
}

// option is the name of an option in a page, such as {lr_schedule}.
var option = regexp.MustCompile(`\{([a-z_]+)\}`)

// named returns a page in which options are called as name says.
func (p Page) named(name func(option string) string) Page {
	in := func(s string) string {
		return option.ReplaceAllStringFunc(s, func(o string) string { return name(o[1 : len(o)-1]) })
	}
	out := Page{p.Name, in(p.Short), make([]Part, len(p.Parts))}
	for i, part := range p.Parts {
		out.Parts[i] = Part{part.Title, in(part.Text), make([]spec.Entry, len(part.List))}
		for k, e := range part.List {
			out.Parts[i].List[k] = spec.Entry{Name: in(e.Name), Meaning: in(e.Meaning)}
		}
	}
	return out
}

// Pages lists all pages. name says what options are called, such as "option val" for val.
func Pages(name func(option string) string) []Page {
	pages := []Page{data, selectors, adapter, preprocess, augment}
	for i, p := range pages {
		pages[i] = p.named(name)
	}
	return pages
}

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
