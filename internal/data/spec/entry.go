package spec

import "strings"

// Entry is one thing that a user may write, such as a key of a preprocessor file or a step of
// augmentation, and what it means. Reading, help and documentation share lists of entries.
type Entry struct {
	Name    string // a key, or the form of a step, such as crop:MIN_AREA
	Meaning string // with its default, as a phrase without a full stop
}

// Has reports whether one of the entries has the name.
func Has(entries []Entry, name string) bool {
	for _, e := range entries {
		if e.Name == name {
			return true
		}
	}
	return false
}

// Names joins the names of entries with commas.
func Names(entries []Entry) string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	return strings.Join(names, ", ")
}
