package search

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// Algorithm proposes points. What it proposes depends on its seed, n and seen only: not on the
// order of seen, nor on what was asked before, so it may be used from many goroutines.
type Algorithm interface {
	// Propose returns the point of trial n, one that no result of seen has. It is false where the
	// space holds no such point. seen holds every trial before n; one that is Running is known by
	// its point only.
	// The slice is not kept.
	Propose(n int, seen []Result) (space.Point, bool)

	// Blind reports that the proposal of trial n depends on no values of seen, but only on its
	// points.
	Blind(n int) bool
}

// Names lists the algorithms by the names that New takes.
var Names = []string{"tpe", "evolution", "random"}

// New returns the algorithm of that name over a space. Everything random follows from the seed.
func New(name string, s *space.Space, seed uint64) (Algorithm, error) {
	switch name {
	case "tpe":
		return NewTPE(s, seed), nil
	case "evolution":
		return NewEvolution(s, seed), nil
	case "random":
		return NewRandom(s, seed), nil
	}
	return nil, fmt.Errorf("there is no search algorithm %q: it is one of %v", name, Names)
}

// draw returns the random numbers of proposal n.
func draw(seed uint64, n int) *rand.Rand { return random.For(seed, random.Search, n) }

const (
	attempts = 8    // proposals drawn again before one is moved to the nearest point
	walkable = 2000 // points of a space that is searched for the nearest one
	redraws  = 1000 // random points drawn in any larger space
)

// untried returns the first point of propose that no result has. Where it finds none it takes, in
// a small space, the untried point nearest to the first proposal, of equals the first one; else a
// random one. It is false where no untried point is left.
func untried(s *space.Space, seen []Result, r *rand.Rand, propose func() space.Point) (space.Point, bool) {
	tried := func(p space.Point) bool {
		return slices.ContainsFunc(seen, func(r Result) bool { return r.Point.Digest() == p.Digest() })
	}
	first := propose()
	for p, i := first, 0; i < attempts; p, i = propose(), i+1 {
		if !tried(p) {
			return p, true
		}
	}
	if s.Size() <= walkable {
		return nearest(s, seen, first)
	}
	for range redraws {
		if p := s.Sample(r); !tried(p) {
			return p, true
		}
	}
	if s.Size() == space.Endless {
		return first, false
	}
	for p := range s.All() {
		if !tried(p) {
			return p, true
		}
	}
	return first, false
}

func nearest(s *space.Space, seen []Result, to space.Point) (space.Point, bool) {
	tried := map[space.Digest]bool{}
	for _, r := range seen {
		tried[r.Point.Digest()] = true
	}
	best, at, found := 0.0, to, false
	for p := range s.All() {
		if tried[p.Digest()] {
			continue
		}
		if d := s.Distance(p, to); !found || d < best {
			best, at, found = d, p, true
		}
	}
	return at, found
}
