package permafrost

import "github.com/permafrost-ml/permafrost/internal/guide"

// Guide is a page of reference about what options take, as permafrost help NAME prints it.
type Guide struct {
	Name  string // preprocess, augment, selectors, adapter, data
	Short string // what it is about, a phrase
	Text  string // for a terminal, lines of up to 100 columns
}

// Guides returns all pages of reference. name says what the text calls an option, as "--val" for
// val; nil: "option val".
func Guides(name func(option string) string) []Guide {
	if name == nil {
		name = func(option string) string { return "option " + option }
	}
	return each(guide.Pages(name), func(p guide.Page) Guide { return Guide{p.Name, p.Short, p.Text()} })
}
