package data

import (
	"crypto/sha256"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// Media describes a kind of examples: its names, its files, and the Source that prepares them. A
// file's format is recognised by its content.
type Media struct {
	One, Many  string   // names of examples, such as picture, pictures
	Formats    string   // of files, for messages
	Extensions []string // of files of the kind; nil for all files
	Fault      string   // what is wrong with one that is left out; "" for damaged

	// Source makes the Source of files; nil if examples are not files.
	Source func(Setting) Source
}

// Setting is the input of a Source of files.
type Setting struct {
	Files   *Files
	Budget  *Budget // limits what is kept in memory
	Kept    Blocks  // keeps prepared data between runs; nil keeps none
	Trusted func([sha256.Size]byte) bool
	Varied  bool // these are training examples, which are augmented
}

// Content returns the file of example i, which is its Digest's.
func (s Setting) Content(i int) ([]byte, error) {
	b, _, err := s.Files.Read(i, math.MaxInt)
	if err != nil {
		return nil, err
	}
	return b, s.Files.Settle(i, sha256.Sum256(b))
}

// Checker is a Source whose examples may be damaged.
type Checker interface {
	// Check errors if example i is unusable. What it reads and prepares may be kept.
	Check(i int) error
}

// Remarker is a Checker that has doubts about examples that are used all the same.
type Remarker interface {
	// Remarks are lines for the user, after Check, on the examples at these indices. Paths are
	// those of the examples, in the same order.
	Remarks(at []int, paths []string) []string
}

// Blocks keeps blocks of bytes by key between runs. Use Blocks for only one preparation.
type Blocks interface {
	Read(key [sha256.Size]byte) ([]byte, bool)
	// Put stores a block that is given in parts. It may decline.
	Put(key [sha256.Size]byte, parts ...[]byte) bool
}

// Budget is a number of bytes shared by several data sets. It is safe for concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget returns a Budget of n bytes.
func NewBudget(n int64) *Budget {
	b := new(Budget)
	b.left.Store(n)
	return b
}

// Take takes n bytes, and reports whether that many were left.
func (b *Budget) Take(n int) bool {
	if b.left.Add(-int64(n)) < 0 {
		b.left.Add(int64(n))
		return false
	}
	return true
}

// Give gives back n bytes.
func (b *Budget) Give(n int) { b.left.Add(int64(n)) }

// Left returns how many bytes are left.
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
