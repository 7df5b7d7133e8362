package data

import (
	"crypto/sha256"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// Media is what data know of a kind of examples: what they are called, which files are of it, and
// the Source that prepares such files. The format of a file is told by its content.
type Media struct {
	One, Many  string   // what examples are called: picture, pictures
	Formats    string   // of files, for messages
	Extensions []string // of files of the kind; nil for all files
	Fault      string   // what is wrong with one that is left out; "" for damaged

	// Source prepares files; nil where examples are no files.
	Source func(Setting) Source
}

// Setting is what a Source of files gets to work with.
type Setting struct {
	Files   *Files
	Budget  *Budget // for what is kept in memory
	Kept    Blocks  // what was prepared, between runs; nil keeps none
	Trusted func([sha256.Size]byte) bool
	Varied  bool // these are examples to train with, which augmentation varies
}

// Checker is a Source whose examples may be damaged.
type Checker interface {
	// Check errors where example i cannot be used. What it reads and prepares may be kept.
	Check(i int) error
}

// Blocks keeps blocks of bytes by key between runs. What it keeps must come from the same
// preparation.
type Blocks interface {
	Read(key [sha256.Size]byte) ([]byte, bool)
	// Put keeps a block that is given in parts; it may decline.
	Put(key [sha256.Size]byte, parts ...[]byte) bool
}

// Budget is a number of bytes that several data sets share. It is safe for concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget is a Budget of n bytes.
func NewBudget(n int64) *Budget {
	b := new(Budget)
	b.left.Store(n)
	return b
}

// Take takes n bytes and reports whether there were as many.
func (b *Budget) Take(n int) bool {
	if b.left.Add(-int64(n)) < 0 {
		b.left.Add(int64(n))
		return false
	}
	return true
}

// Give gives back n bytes.
func (b *Budget) Give(n int) { b.left.Add(int64(n)) }

// Left is how many bytes are left.
func (b *Budget) Left() int64 { return b.left.Load() }

func (m *Media) has(name string) bool {
	return m.Extensions == nil || slices.Contains(m.Extensions, strings.ToLower(filepath.Ext(name)))
}

func (m *Media) fault() string {
	if m.Fault == "" {
		return "damaged"
	}
	return m.Fault
}
