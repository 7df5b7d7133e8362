package permafrost

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Op is an operator of your own, for models with nodes of a domain that Permafrost does not know.
// Register it with RegisterOp. Its functions may be called from many goroutines.
type Op struct {
	// Domain and Name are those of the nodes in a model file. Domain must not be empty.
	Domain, Name string

	// Attributes gives the types of the attributes that the functions read. A node with an
	// attribute of another type is refused.
	Attributes map[string]AttributeType

	// Shape returns the shapes of the outputs, which are float32, from those of the inputs, nil for
	// absent ones. It errors if the inputs do not fit.
	Shape func(attrs Attributes, in [][]int) (out [][]int, err error)

	// Forward computes every element of the outputs. It must not keep the tensors.
	Forward func(attrs Attributes, in, out []Tensor)

	// Backward computes every element of din, the gradient of a scalar with respect to the inputs,
	// from dout, its gradient with respect to the outputs. A zero Tensor in din is not needed; one
	// in dout stands for zeros. If nil, the operator has no gradient, and nothing before it can
	// train.
	Backward func(attrs Attributes, in, dout, din []Tensor)
}

// AttributeType is the type of an attribute of a node.
type AttributeType int

// The types of attributes.
const (
	AttributeInt AttributeType = iota + 1
	AttributeFloat
	AttributeString
	AttributeInts
	AttributeFloats
)

// Attributes are the attributes of a node, with the types in Op.Attributes.
type Attributes struct{ a ir.Attrs }

// Int returns an attribute, or def if the node lacks it.
func (a Attributes) Int(name string, def int) int { return a.a.Int(name, def) }

// Float returns an attribute, or def if the node lacks it.
func (a Attributes) Float(name string, def float32) float32 { return a.a.Float(name, def) }

// Text returns an attribute of the type AttributeString, or def if the node lacks it.
func (a Attributes) Text(name, def string) string { return a.a.Str(name, def) }

// Ints returns an attribute, or nil if the node lacks it.
func (a Attributes) Ints(name string) []int { return a.a.Ints(name) }

// Floats returns an attribute, or nil if the node lacks it.
func (a Attributes) Floats(name string) []float32 { return a.a.Floats(name) }

var registering sync.Mutex

// RegisterOp registers an operator for all models that are read later. Call it from an init
// function: it must not run at the same time as other calls of this package. It errors if the
// operator is incomplete or already registered.
func RegisterOp(op Op) error {
	registering.Lock()
	defer registering.Unlock()
	name := op.Domain + "." + op.Name
	switch {
	case op.Domain == "" || op.Domain == "ai.onnx" || op.Name == "":
		return badInput(fmt.Errorf("operator %q: a domain of its own and a name are needed", name))
	case op.Shape == nil || op.Forward == nil:
		return badInput(fmt.Errorf("operator %s: Shape and Forward are needed", name))
	case ir.Lookup(name) != nil:
		return badInput(fmt.Errorf("operator %s is known already", name))
	}
	attrs := map[string]ir.AttrType{}
	for a, t := range op.Attributes {
		of, ok := map[AttributeType]ir.AttrType{AttributeInt: ir.AttrInt, AttributeFloat: ir.AttrFloat, AttributeString: ir.AttrString, AttributeInts: ir.AttrInts, AttributeFloats: ir.AttrFloats}[t]
		if !ok {
			return badInput(fmt.Errorf("operator %s: attribute %s has no type", name, a))
		}
		attrs[a] = of
	}
	o := ownOp{op, name}
	d := ir.Def{Name: name, Attrs: attrs, Infer: o.infer, Bind: o.bind, ONNX: []ir.Form{{Domain: op.Domain, Op: op.Name, Since: 1, Attrs: attrs}}}
	if op.Backward != nil {
		d.Grad = o.grad
		own := map[string]ir.AttrType{needed: ir.AttrInts, inputCount: ir.AttrInt}
		maps.Copy(own, attrs)
		ir.Register(ir.Def{Name: o.gradient(), Attrs: own, Infer: o.inferGradient, Bind: o.bindGradient})
	}
	ir.Register(d)
	return nil
}

// The attributes of a gradient node.
const (
	needed = "permafrost_needed" // the operator's inputs whose gradients it computes
	// number of the operator's inputs; the gradients of its outputs follow them
	inputCount = "permafrost_inputs"
)

// ownOp is an Op in the graph: one operator for it, and one for its gradient, which takes the
// inputs and the gradients with respect to the outputs.
type ownOp struct {
	Op
	name string
}

func (o ownOp) gradient() string { return o.name + ".Gradient" }

func (o ownOp) infer(n *ir.Node) ([]ir.Type, error) {
	in := make([][]int, len(n.Inputs))
	for i, v := range n.Inputs {
		if v != nil {
			in[i] = v.Type.Shape
		}
	}
	shapes, err := o.Shape(Attributes{n.Attrs}, in)
	if err != nil {
		return nil, err
	}
	if len(shapes) == 0 {
		return nil, errors.New("Shape gives no output")
	}
	return each(shapes, func(s []int) ir.Type { return ir.Type{DType: tensor.Float32, Shape: s} }), nil
}

func (o ownOp) bind(n *ir.Node) (ir.Bound, error) {
	return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
		o.Forward(Attributes{n.Attrs}, tensorsOf(in), tensorsOf(out))
		return nil
	}}, nil
}

func (o ownOp) grad(b *ir.Builder, n *ir.Node, dy []*ir.Value, need []bool) []*ir.Value {
	var wanted []int
	for i, v := range n.Inputs {
		if need[i] && v != nil && v.Type.DType == tensor.Float32 {
			wanted = append(wanted, i)
		}
	}
	out := b.Ops(o.gradient(), n.Attrs.With(needed, wanted).With(inputCount, len(n.Inputs)), append(append([]*ir.Value{}, n.Inputs...), dy...)...)
	grads := make([]*ir.Value, len(n.Inputs))
	if out != nil {
		for k, i := range wanted {
			grads[i] = out[k]
		}
	}
	return grads
}

func (o ownOp) inferGradient(n *ir.Node) ([]ir.Type, error) {
	return each(n.Attrs.Ints(needed), func(i int) ir.Type { return n.Inputs[i].Type }), nil
}

func (o ownOp) bindGradient(n *ir.Node) (ir.Bound, error) {
	wanted := n.Attrs.Ints(needed)
	inputs := n.Attrs.Int(inputCount, 0)
	return ir.Bound{Run: func(in, out []*tensor.Tensor, _ []byte) error {
		din := make([]Tensor, inputs)
		for k, i := range wanted {
			din[i] = Tensor{out[k]}
		}
		o.Backward(Attributes{n.Attrs}, tensorsOf(in[:inputs]), tensorsOf(in[inputs:]), din)
		return nil
	}}, nil
}

func tensorsOf(ts []*tensor.Tensor) []Tensor {
	return each(ts, func(t *tensor.Tensor) Tensor { return Tensor{t} })
}
