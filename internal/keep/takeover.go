package keep

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/split"
)

// takeOver takes over the store of the previous plan if it keeps the same values in the same form.
// It reports whether it did.
func (e *Encoder) takeOver() bool {
	b := e.before
	if b == nil || b.store == nil || b.variants != e.variants || !sameValues(b.kept, e.kept) {
		return false
	}
	e.store, e.half = b.store, b.half
	return true
}

func sameValues(a, b *split.Cut) bool {
	return slices.EqualFunc(a.Points, b.Points, func(p, q split.Point) bool { return p.Sum == q.Sum })
}

// behind returns the kept values of the previous plan if the new frontier lies after them and can
// be computed from them, else nil.
func behind(o *split.Outline, e *Encoder) *near {
	b := e.before
	if b == nil || b.store == nil || b.half != nil || b.variants > 0 || e.variants > 0 || e.shares != nil {
		return nil
	}
	at := func(d split.Digest) int {
		return slices.IndexFunc(b.kept.Points, func(p split.Point) bool { return p.Sum == d })
	}
	from := o.Nearest(func(d split.Digest) bool { return at(d) >= 0 })
	if from == nil || len(from.Points) != len(b.kept.Points) {
		return nil
	}
	// in the order of the store
	slices.SortFunc(from.Points, func(p, q split.Point) int { return at(p.Sum) - at(q.Sum) })
	return &near{from, b.store}
}
