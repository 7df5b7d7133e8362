package search

import "github.com/permafrost-ml/permafrost/internal/search/space"

// Random draws every parameter by itself (Bergstra, Bengio 2012, Random search for hyper-parameter
// optimization).
type Random struct {
	space *space.Space
	seed  uint64
}

// NewRandom returns random search over s.
func NewRandom(s *space.Space, seed uint64) *Random { return &Random{s, seed} }

// Blind is true: random search looks at no result.
func (a *Random) Blind(int) bool { return true }

// Propose draws the point of trial n.
func (a *Random) Propose(n int, seen []Result) (space.Point, bool) {
	r := draw(a.seed, n)
	return untried(a.space, seen, r, func() space.Point { return a.space.Sample(r) })
}
