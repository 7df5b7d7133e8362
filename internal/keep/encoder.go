package keep

import (
	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Encoder turns examples into the inputs of the live region, the frontier values. It reads them
// from the store if they are kept, and otherwise runs the frozen region. The store may hold an
// earlier cut instead of the frontier; then the rest of the frozen region runs every time.
type Encoder struct {
	net   *split.Network
	ds    *data.Dataset
	store Store      // nil: values are always computed
	cut   *split.Cut // the cut that the store keeps; nil: the frontier
	near  *near      // an earlier kept cut to start from; nil: start from the inputs
	// the cut that the store keeps, even if it is the frontier; nil without a store
	kept *split.Cut

	helpers Helpers // compute a part of what is missing; nil: none

	before *Encoder // the encoder of the previous plan while this one is being filled; nil: none
	parts  map[string]*compile.Program
	half   []bool    // by kept value: rounded from float32 to float16, as in the store; nil: none
	bytes  []int     // size of each kept value per example; with several lengths, for the shortest
	shape  []ir.Type // their types, per example
	chunk  int       // what the frozen region processes at once: examples, tokens of text or rows of sound

	staged *stage // buffers for batches from the store; nil while they are in use

	// detached values of the last computed batch
	atCut, atFrontier []*tensor.Tensor

	shares []split.Share // shares of the kept values; nil if all examples have one length
	// with several lengths and nothing to compute: the inputs that are at the frontier
	direct []int

	// variants is the number of augmented variants of each example. Epochs use them in turn,
	// whether kept or recomputed, and a store holds them one after the other. With 0, kept examples
	// are not augmented, and other examples get a new augmentation in every epoch.
	variants int
}

// variant is the variant of the examples that an epoch uses.
func (e *Encoder) variant(epoch int) int {
	if e.variants == 0 {
		return data.Plain
	}
	return max(epoch, 0) % e.variants
}

// slot is the index of a variant of an example in the store.
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
