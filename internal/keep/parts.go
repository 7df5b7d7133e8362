package keep

import "github.com/permafrost-ml/permafrost/internal/split"

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
