package keep

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Kept are the frozen values of the training examples of a fit, from which fits to some of the same
// examples take theirs.
type Kept struct {
	*Encoders
	Net     *split.Network // whose values they are
	Summary *Summary
}

// Parts returns the values of some training examples, for training and for measuring, in the form
// that Open takes as those of a previous plan.
func (k *Kept) Parts(train, val []int) *Encoders {
	return &Encoders{Train: k.Train.some(train), Val: k.Train.some(val)}
}

// Given returns kept values that were not computed from examples: rows has for each example of ds
// the value at the frontier of net, which must be one of width numbers.
func Given(net *split.Network, ds *data.Dataset, rows []float32, width int) (*Kept, error) {
	outline, err := net.Outline()
	if err != nil {
		return nil, err
	}
	frontier := outline.Cut(outline.Frontier)
	if t := frontier.Types(); len(t) != 1 || t[0].DType != tensor.Float32 || t[0].Shape.Len() != width {
		return nil, fmt.Errorf("keep: the frontier is not one value of %d numbers: %v", width, t)
	}
	store := NewRAM(ds.Len())
	for i := range ds.Len() {
		store.Put(i, [][]byte{tensor.Of(rows[i*width : (i+1)*width]).Bytes})
	}
	e, err := NewEncoder(net, ds, store)
	if err != nil {
		return nil, err
	}
	e.kept = frontier
	return &Kept{Encoders: &Encoders{Train: e}, Net: net}, nil
}

// For returns an encoder of ds for a network of the same model. Its examples have the given indices
// among those whose values are kept. What is kept serves where it lies at the network's frontier, or
// before it; else every batch is computed from the inputs.
func (k *Kept) For(net *split.Network, ds *data.Dataset, at []int) (*Encoder, error) {
	e, err := NewEncoder(net, ds, nil)
	if err != nil || k.Train.store == nil {
		return e, err
	}
	outline, err := net.Outline()
	if err != nil {
		return nil, err
	}
	frontier := outline.Cut(outline.Frontier)
	e.before = k.Train.some(at)
	if sameValues(e.before.kept, frontier) {
		e.keeps(frontier.Types())
		e.kept = frontier
		e.takeOver()
	} else if from := behind(outline, e); from != nil {
		e.keeps(from.cut.Types())
		e.cut, e.kept, e.store = from.cut, from.cut, from.store
	}
	e.before = nil
	return e, nil
}

// some is an encoder of some examples that serves only to be taken over.
func (e *Encoder) some(indices []int) *Encoder {
	p := &Encoder{kept: e.kept, half: e.half, variants: e.variants}
	if e.store != nil {
		p.store = &subset{e.store, indices}
	}
	return p
}

// subset is a Store of some examples of another, without variants.
type subset struct {
	Store
	at []int // the examples' indices in it
}

func (s *subset) Get(i int, dst [][]byte) bool { return s.Store.Get(s.at[i], dst) }
func (s *subset) Put(i int, src [][]byte)      { s.Store.Put(s.at[i], src) }

// full reports whether the other Store has every example in memory.
func (s *subset) full() bool {
	r, ok := s.Store.(interface{ full() bool })
	return ok && r.full()
}
