package keep

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Shelf keeps the frozen values of a data set at every frontier that fits to parts of it ask for.
// Each value is computed once, from the nearest values that the shelf or the shared cache has. It is
// for one goroutine at a time; the values may be read from several.
type Shelf struct {
	ds   *data.Dataset
	kept []shelved
	room *memoryRoom // of all frontiers together
}

// shelved is what stands on a shelf for one frontier.
type shelved struct {
	*Kept
	frontier  *split.Cut
	precision string
	work      int64 // of computing it from the inputs
}

// NewShelf returns an empty shelf for a data set.
func NewShelf(ds *data.Dataset) *Shelf { return &Shelf{ds: ds} }

// At returns the values at the frontier of a network. It computes them if they are not on the shelf.
// It returns nil where every epoch computes its own: because the options keep nothing or augment the
// examples, or because computing is faster than copying.
func (s *Shelf) At(ctx context.Context, net *split.Network, o Options) (*Kept, error) {
	if o.Where == "off" || o.Augment != "none" {
		return nil, nil
	}
	outline, err := net.Outline()
	if err != nil || !outline.WorthKeeping() {
		return nil, err
	}
	frontier := outline.Cut(outline.Frontier)
	for _, k := range s.kept {
		if k.precision == o.Precision && sameValues(k.frontier, frontier) {
			return k.Kept, nil
		}
	}
	if s.room == nil {
		s.room = &memoryRoom{left: o.memory()}
	}
	o.room = s.room
	e, summary, err := Open(ctx, net, s.ds, s.ds.HeldOutSubset(nil), o, s.nearest(outline))
	if err != nil {
		return nil, err
	}
	k := &Kept{Encoders: e, Net: net, Summary: summary}
	s.kept = append(s.kept, shelved{k, frontier, o.Precision, outline.Work()})
	return k, nil
}

// nearest returns the values from which the frontier of an outline is computed with the least work,
// nil if the shelf has none.
func (s *Shelf) nearest(o *split.Outline) *Encoders {
	var best *Encoders
	work := int64(0)
	for _, k := range s.kept {
		if from := (&Encoder{before: k.Train}); k.work > work && behind(o, from) != nil {
			best, work = k.Encoders, k.work
		}
	}
	return best
}

// Summaries says for each frontier where its values came from, in the order in which they were
// asked for.
func (s *Shelf) Summaries() []*Summary {
	var out []*Summary
	for _, k := range s.kept {
		out = append(out, k.Summary)
	}
	return out
}
