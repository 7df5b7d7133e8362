package chart

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"regexp"
	"strings"
)

var (
	//go:embed page.html
	parts string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// Page is what every page begins and ends with.
type Page struct {
	CSS    template.CSS
	JS     template.JS
	Policy string // Content-Security-Policy: the page runs its own script and loads nothing
}

// NewPage gives the shared style and script, with more style for one kind of page.
func NewPage(css string) Page {
	sum := sha256.Sum256([]byte(script))
	policy := "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return Page{template.CSS(style + css), template.JS(script), policy}
}

// Layout is the template of a page. It may use the templates head, end, section, plot, facts and
// table.
func Layout(html string) *template.Template {
	return template.Must(template.Must(template.New("parts").Parse(parts)).New("page").Parse(html))
}

// Section is a heading with plots.
type Section struct {
	ID    string
	Title string
	Text  string
	Note  string // instead of plots
	Plots []*Plot
	Small bool // plots stand side by side
}

// Fact is a name and what it stands for.
type Fact struct{ Name, Value string }

// Table is a table that a click sorts and words filter.
type Table struct {
	ID      string
	Title   string
	Example string // of words to filter by
	First   Column // of the names of the rows
	Columns []Column
	Rows    []Row
}

// Column is one of a table.
type Column struct {
	Name   string
	Number bool // sorted by size, and set flush right
}

// Row is one of a table.
type Row struct {
	Key   string // its name, and that of its marks in the plots
	Class string
	Tip   string // is shown with its marks
	Cells []Cell
}

// Cell is what a row has in a column.
type Cell struct {
	Text  string
	Value string // by which a column of numbers is sorted; empty: it comes last
}

var plain = regexp.MustCompile(`^[\w./:@%+=,-]+$`)

// Quoted writes a word for a shell.
func Quoted(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
