package ir

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Def is everything that Permafrost knows about one operator. To add an operator, add one Def.
type Def struct {
	Name string

	// Traits describe the operator, for code that treats many operators alike.
	Traits Traits

	// Attrs gives the types of attributes with names of their own, or with another type than in
	// other operators (see AttrTypes).
	Attrs map[string]AttrType

	// Infer returns the output types, given the input types and, if a shape depends on contents,
	// constant inputs. It errors if the inputs do not fit.
	Infer func(n *Node) ([]Type, error)

	// Fold returns outputs that follow from input types or attributes alone (Shape, Size), nil if
	// they do not. Nodes whose inputs are all constant are folded by running Bind and need no Fold.
	Fold func(n *Node) []*tensor.Tensor

	// Grad adds the nodes that compute the gradient of a scalar with respect to n's inputs. dy is
	// its gradient with respect to n's outputs, nil for an output that does not matter. Grad
	// returns one value per input, and builds only those that need marks. A nil result means that
	// the gradient is zero. A nil Grad means that there is no gradient.
	Grad func(b *Builder, n *Node, dy []*Value, need []bool) []*Value

	// Bind selects and prepares the code for the node's static types. It may pack or transform
	// constant inputs, once.
	Bind func(n *Node) (Bound, error)

	// Cost estimates the work of one run. If nil, only moving the bytes counts.
	Cost func(n *Node) Cost

	// ONNX lists the ONNX operators that this one implements.
	ONNX []Form

	// Cases makes what drives the shape, gradient and conformance tests of this operator.
	Cases func() []Case
}

// Bound is a node that is ready to run.
type Bound struct {
	// Run computes out from in. Both have the node's static types, absent ones are nil, and scratch
	// has Scratch bytes with undefined contents. Run must write every element of out. It errors
	// only for what types cannot rule out, such as an index out of range.
	Run func(in, out []*tensor.Tensor, scratch []byte) error

	// Scratch is the size in bytes of the workspace for Run.
	Scratch int

	// InPlace lists the inputs whose buffer output 0 may overwrite: each output element is written
	// after the last read of the same input element.
	InPlace []int

	// View says that output 0 has the same bytes as input 0 (a reshape). It needs no Run and no
	// buffer.
	View bool

	// Packed lists the constant inputs that binding has copied into a form of its own. Run gets nil
	// for them, so their memory can be freed if nothing else reads them.
	Packed []int

	// Stateful says that Run keeps state between calls, such as a call count or a form of weights
	// that train. Any other Run may be called from several goroutines at once, each with its own
	// out and scratch.
	Stateful bool
}

// Cost is the cost of one run of a node.
type Cost struct {
	FLOPs int64 // floating-point operations; a multiply-add counts as two
	Bytes int64 // bytes read and written
}

// Form says how an ONNX operator becomes nodes of this graph.
type Form struct {
	Domain string // "" for ai.onnx
	Op     string
	Since  int // the first opset version this form covers
	Until  int // the last one; 0 if open-ended

	// Traits of the ONNX operator; nil uses those of the Def.
	Traits *Traits

	// Attrs is Def.Attrs for the ONNX operator.
	Attrs map[string]AttrType

	// Lower builds node n, whose input types are static, from registered operators and returns its
	// outputs. If nil, the Def's operator is built with the same inputs and attributes.
	Lower func(b *Builder, n *Node) ([]*Value, error)
}

// Case is one test of an operator. It has inputs and attributes, from which shape, forward value
// and gradient are checked.
type Case struct {
	Name   string
	Inputs []*tensor.Tensor // nil if absent
	Attrs  Attrs
	Const  []int            // inputs given as constants (shapes, axes)
	Want   []*tensor.Tensor // expected outputs, if known by hand
	NoGrad []int            // inputs without a finite difference
	// outputs through which the tested gradient flows; nil for every floating-point one
	Flow  []int
	Range [2]float64 // random fill of float inputs given without contents; zero value: [-1, 1]
}

var registry = map[string]*Def{}

type formKey struct{ domain, op string }

var forms = map[formKey][]formDef{}

type formDef struct {
	Form
	def *Def
}

// Register adds an operator. It panics if the name is taken. Operators register at start-up.
func Register(d Def) {
	if _, dup := registry[d.Name]; dup {
		panic("ir: operator " + d.Name + " registered twice")
	}
	registry[d.Name] = &d
	for _, f := range d.ONNX {
		k := formKey{f.Domain, f.Op}
		forms[k] = append(forms[k], formDef{f, &d})
	}
}

// RegisterForms adds ONNX operators that are written in terms of others. Each needs a Lower.
func RegisterForms(fs ...Form) {
	for _, f := range fs {
		k := formKey{f.Domain, f.Op}
		forms[k] = append(forms[k], formDef{f, nil})
	}
}

// Lookup returns an operator by name, or nil.
func Lookup(name string) *Def { return registry[name] }

// Ops lists the registered operators by name.
func Ops() []*Def {
	var ds []*Def
	for _, k := range slices.Sorted(maps.Keys(registry)) {
		ds = append(ds, registry[k])
	}
	return ds
}

// Forms lists every known ONNX operator, as "domain.Op" or "Op", sorted: tests hold all of them to
// what every operator must do.
func Forms() []string {
	var out []string
	for k := range forms {
		out = append(out, strings.TrimPrefix(k.domain+"."+k.op, "."))
	}
	slices.Sort(out)
	return out
}

// FindForm returns how to lower an ONNX operator of an opset version. The Def is nil for a form
// from RegisterForms. If none is known, the error names the operator and its version.
func FindForm(domain, op string, version int) (Form, *Def, error) {
	if domain == "ai.onnx" {
		domain = ""
	}
	fs := forms[formKey{domain, op}]
	for _, f := range fs {
		if version >= f.Since && (f.Until == 0 || version <= f.Until) {
			return f.Form, f.def, nil
		}
	}
	name := op
	if domain != "" {
		name = domain + "." + op
	}
	if len(fs) == 0 {
		return Form{}, nil, fmt.Errorf("operator %s (opset %d) is not supported", name, version)
	}
	return Form{}, nil, fmt.Errorf("operator %s is not supported at opset %d (known from %d)", name, version, fs[0].Since)
}

// FLOPs returns the work of a node in floating-point operations, according to its operator's Cost;
// 0 if there is none. Types must be static.
func (n *Node) FLOPs() int64 {
	if c := Lookup(n.Op).Cost; c != nil {
		return c(n).FLOPs
	}
	return 0
}

// FLOPs returns the work of one run of a static graph.
func (g *Graph) FLOPs() int64 {
	var sum int64
	for _, n := range g.Nodes {
		sum += n.FLOPs()
	}
	return sum
}
