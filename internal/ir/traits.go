package ir

// Traits say what an operator is, for code that treats many operators alike: passes, the search for
// a classifier, the roles of weights. Every zero value claims nothing, so that an operator which
// states no trait is treated as one of which nothing is known. Traits say what holds at inference.
//
// The traits of a Def hold for its ONNX forms too, unless a Form states its own (see
// Node.RawTraits).
type Traits struct {
	// Elementwise: each element of the output is computed from one element of each input, all of
	// them broadcast together. Attributes do not name axes.
	Elementwise bool

	// Activation: an Elementwise function that is not linear, as stands between the layers of a
	// network.
	Activation bool

	// HandsOn: the output is input 0 in another order, shape or number format, complete. A weight
	// is the same weight behind it.
	HandsOn bool

	// Part: every output is a part of input 0.
	Part bool

	// Cheap: takes far less time than the products around it, so that computing it twice costs
	// little.
	Cheap bool

	// Linear: a matrix product of input 0 and a weight, input 1.
	Linear bool

	// Attention: weighs values (input 2) by how queries (input 0) match keys (input 1). Where keys
	// and values are absent, input 0 holds all three.
	Attention bool

	// Probabilities: turns scores into probabilities or their logarithms.
	Probabilities bool

	// Pools: averages or reduces positions away, the pooling before a classifier.
	Pools bool

	// Reduces: reduces the axes of the attribute axes, all where it is absent; keepdims (default 1)
	// keeps them with size 1.
	Reduces bool

	// Recurrent: steps through a sequence, input 0 [sequence, batch, features].
	Recurrent bool

	// ReadsBits: takes the bits of its input, whose type must therefore not be changed.
	ReadsBits bool

	// NonNegative reports whether no element of the output is below 0; nil for unknown.
	NonNegative func(n *Node) bool

	// Identity reports whether a node gives exactly input 0, type and shape included; nil for
	// never.
	Identity func(n *Node) bool

	// Inputs says what each input of the ONNX operator is for; UseData for those beyond its end.
	Inputs []Use

	// Rows reports whether every row of output 0, along axis out, is computed from the same row of
	// the inputs alone. Rows are independent examples or positions; in gives for each input the
	// axis that they lie on, -1 for an input that is the same for all. Rank is input 0's, 0 where
	// it is unknown. A nil Rows is never, for Elementwise operators always.
	Rows func(n *Node, rank int, in []int, out int) bool

	// Spatial lists the inputs that are image-like, [N,C,spatial...], of an operator that takes the
	// attribute layout: with "NHWC" they and output 0 are [N,spatial...,C]. Other inputs and
	// outputs have no layout.
	Spatial []int

	// ChannelsLast gives the attributes with which a node does the same on channels-last inputs,
	// all but those of UseIndex, and gives channels-last output; false where it cannot. A nil
	// ChannelsLast is never, for Elementwise operators the attributes as they are.
	ChannelsLast func(n *Node) (Attrs, bool)

	// Batch says what becomes of the axis on which input 0 holds the examples of a batch.
	Batch Batch
}

// Use is what an input of an ONNX operator is for. It decides which tensors of a file are weights,
// and what kind.
type Use uint8

// The uses of inputs.
const (
	UseData     Use = iota // what the operator works on
	UseWeight              // a matrix, filter or slope
	UseBias                // added
	UseScale               // of a normalisation, multiplied
	UseShift               // of a normalisation, added
	UseMean                // of a normalisation, a running statistic
	UseVariance            // likewise
	UseTable               // rows picked by index: a weight if it has several axes
	UseIndex               // positions in another input
	UseTerm                // of a sum or difference: a weight if it has several elements
	UseFactor              // of a product or quotient: likewise
	UseLeft                // the left side of a product: a weight if the file stores it as an initializer
	UseSetting             // a shape, scale of quantisation, bound or length: never a weight
)

// Batch is what an ONNX operator does with the axis that holds the examples of a batch.
type Batch uint8

// The rules for batches. Operators that move axes have rules of their own in package onnx.
const (
	BatchUnknown   Batch = iota // examples are assumed to stay apart on axis 0
	BatchKept                   // the output has the shape of input 0, on which Rows holds
	BatchBroadcast              // inputs are combined element by element
	BatchFirst                  // input 0 is [N,C,...], and so is the output
	BatchReduced                // axes are reduced (attribute or input axes; attribute axis)
)

// Use is what input i is for.
func (t *Traits) Use(i int) Use {
	if i >= len(t.Inputs) {
		return UseData
	}
	return t.Inputs[i]
}

var noTraits Traits

// Traits are those of a specialised node's operator.
func (n *Node) Traits() *Traits {
	if d := registry[n.Op]; d != nil {
		return &d.Traits
	}
	return &noTraits
}

// RawTraits are those of a raw node's ONNX operator, of whatever version. An operator of another
// domain that states none has those of ONNX's own of that name.
func (n *Node) RawTraits() *Traits {
	domain := n.Domain
	if domain == "ai.onnx" {
		domain = ""
	}
	for _, d := range []string{domain, ""} {
		for _, f := range forms[formKey{d, n.Op}] {
			switch {
			case f.Traits != nil:
				return f.Traits
			case f.def != nil:
				return &f.def.Traits
			}
		}
	}
	return &noTraits
}
