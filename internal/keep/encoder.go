package keep

import (
	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Encoder turns examples into what the live region reads: frontier values, from the store where
// they are kept, else by running the frozen region over the pictures. What the store keeps may be
// an earlier cut, from which the rest of the frozen region is run every time.
type Encoder struct {
	net   *split.Network
	ds    *data.Dataset
	store Store      // nil: compute every time
	cut   *split.Cut // what the store keeps; nil: the frontier
	near  *near      // nil: nothing to start from but the pictures
	kept  *split.Cut // what the store keeps, the frontier too; nil without a store

	before *Encoder // the same under the plan before, while this one is being filled; nil: none
	parts  map[string]*compile.Program
	half   []bool    // by kept value: float32 that is rounded to float16, as the store keeps it; nil: none
	bytes  []int     // size of each kept value of one example; of several lengths: of the shortest
	shape  []ir.Type // of them, for one example
	chunk  int       // examples that the frozen region takes at once

	shares []split.Share // of the kept values; nil where all examples have one length
	direct []int         // where nothing is computed of examples of several lengths: the inputs that are at the frontier

	// variants is how many augmented forms each example has; epochs use them in turn, whether they
	// are kept or computed anew, and a store has them one behind the other. 0: kept examples are as
	// they are, and others are new in every epoch.
	variants int
}

// variant is the form in which an epoch sees the examples.
func (e *Encoder) variant(epoch int) int {
	if e.variants == 0 {
		return data.Plain
	}
	return max(epoch, 0) % e.variants
}

// slot is where the store keeps a variant of an example.
func (e *Encoder) slot(example, variant int) int { return max(variant, 0)*e.ds.Len() + example }

func NewEncoder(net *split.Network, ds *data.Dataset, store Store) (*Encoder, error) {
	one, _, err := net.FrontierTypes(1)
	if err != nil {
		return nil, err
	}
	e := &Encoder{net: net, ds: ds, store: store, chunk: Chunk(net.Base.Feed.Form()), parts: map[string]*compile.Program{}}
	e.keeps(one)
	if net.Form != nil {
		err = e.varies()
	}
	return e, err
}

// keeps sets the types of what the store keeps for one example.
func (e *Encoder) keeps(one []ir.Type) {
	e.shape, e.bytes = one, nil
	for _, t := range one {
		e.bytes = append(e.bytes, t.Bytes())
	}
}
