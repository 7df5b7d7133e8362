package ir

// Traits describe an operator for code that treats many operators alike: passes, the search for a
// classifier, the roles of weights. A zero value claims nothing, so an operator without traits is
// treated as unknown. Traits describe inference.
//
// The traits of a Def also hold for its ONNX forms, unless a Form has its own (see Node.RawTraits).
type Traits struct {
	// Elementwise: each output element is computed from one element of each input, with
	// broadcasting. Attributes do not name axes.
	Elementwise bool

	// Activation: an Elementwise nonlinear function, as used between the layers of a network.
	Activation bool

	// HandsOn: the output is all of input 0 in another order, shape or number format. A weight that
	// passes through it is still the same weight.
	HandsOn bool

	// Part: every output is a part of input 0.
	Part bool

	// Cheap: takes far less time than the products around it, so computing it twice costs little.
	Cheap bool

	// Linear: a matrix product of input 0 and a weight, input 1.
	Linear bool

	// Attention: weights values (input 2) by the match between queries (input 0) and keys (input
	// 1). If keys and values are absent, input 0 contains all three.
	Attention bool

	// Probabilities: turns scores into probabilities or their logarithms.
	Probabilities bool

	// Pools: averages or reduces over positions, like the pooling before a classifier.
	Pools bool

	// Reduces: reduces the axes in the attribute axes, or all axes if it is absent; keepdims
	// (default 1) keeps them with size 1.
	Reduces bool

	// Recurrent: steps through a sequence, input 0 [sequence, batch, features].
	Recurrent bool

	// ReadsBits: reads the bits of its input, so the input's type must not be changed.
	ReadsBits bool

	// NonNegative reports whether no output element is below 0; nil if unknown.
	NonNegative func(n *Node) bool

	// Identity reports whether a node's output is exactly input 0, including type and shape; nil
	// for never.
	Identity func(n *Node) bool

	// Inputs says what each input of the ONNX operator is for. Further inputs are UseData.
	Inputs []Use

	// Rows reports whether every row of output 0, along axis out, is computed only from the same
	// row of the inputs. Rows are independent examples or positions. in gives their axis in each
	// input, -1 for an input that all rows share. rank is input 0's rank, 0 if unknown. A nil Rows
	// means never, or always for Elementwise operators.
	Rows func(n *Node, rank int, in []int, out int) bool

	// Spatial lists the image-like inputs, [N,C,spatial...], of an operator with the attribute
	// layout. With "NHWC" these and output 0 are [N,spatial...,C]. Other inputs and outputs have no
	// layout.
	Spatial []int

	// ChannelsLast returns the attributes with which a node computes the same on channels-last
	// inputs, all but those of UseIndex, and returns channels-last output. It returns false if that
	// is impossible. If nil, it is never possible; for Elementwise operators the attributes stay
	// unchanged.
	ChannelsLast func(n *Node) (Attrs, bool)

	// WholeBatch: computes a statistic of the whole input, whatever the axes are, by design of the
	// format: quantisation by the range of what comes. A batch goes through it one example at a time.
	WholeBatch bool

	// Batch says what happens to the axis on which input 0 has the examples of a batch.
	Batch Batch
}

// Use says what an input of an ONNX operator is for. It decides which tensors of a file are
// weights, and of what kind.
type Use uint8

// The uses of inputs.
const (
	UseData     Use = iota // the data that the operator processes
	UseWeight              // a matrix, filter or slope
	UseBias                // added
	UseScale               // of a normalisation, multiplied
	UseShift               // of a normalisation, added
	UseMean                // of a normalisation, a running statistic
	UseVariance            // likewise
	UseTable               // rows picked by index: a weight if it has several axes
	UseIndex               // positions in another input
	UseTerm                // operand of a sum or difference: a weight if it has several elements
	UseFactor              // operand of a product or quotient: likewise
	// left operand of a matrix product: a weight if the file stores it as an initializer
	UseLeft
	UseSetting // a shape, quantisation scale, bound or length: never a weight
)

// Batch says what an ONNX operator does with the axis of the examples of a batch.
type Batch uint8

// The rules for batches. Operators that move axes have their own rules in package dynamicbatch.
const (
	BatchUnknown   Batch = iota // assumed to keep examples apart on axis 0
	BatchKept                   // the output has the shape of input 0, on which Rows holds
	BatchBroadcast              // inputs are combined element by element
	BatchFirst                  // input 0 is [N,C,...], and so is the output
	BatchReduced                // axes are reduced (attribute or input axes; attribute axis)
)

// Use returns what input i is for.
func (t *Traits) Use(i int) Use {
	if i >= len(t.Inputs) {
		return UseData
	}
	return t.Inputs[i]
}

var noTraits Traits

// Traits returns the traits of a specialised node's operator.
func (n *Node) Traits() *Traits {
	if d := registry[n.Op]; d != nil {
		return &d.Traits
	}
	return &noTraits
}

// RawTraits returns the traits of a raw node's ONNX operator, of any version. An operator of
// another domain without traits has those of the ONNX operator with its name.
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
