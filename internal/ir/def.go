package ir

import (
	"fmt"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Def is everything that Permafrost knows about one operator. Adding an operator is adding one Def.
type Def struct {
	Name string

	// Traits say what the operator is, for code that treats many operators alike.
	Traits Traits

	// Attrs gives the types of attributes that have a name of their own, or another type here than
	// in other operators (see AttrTypes).
	Attrs map[string]AttrType

	// Infer gives the output types from the input types and, where a shape depends on contents,
	// from constant inputs. It errors when the inputs do not fit.
	Infer func(n *Node) ([]Type, error)

	// Fold gives outputs that follow from the input types or attributes alone (Shape, Size); nil
	// where they do not. Nodes whose inputs are all constant are folded by running Bind and need no
	// Fold.
	Fold func(n *Node) []*tensor.Tensor

	// Grad adds the nodes that compute the gradient of a scalar with respect to n's inputs, given
	// dy, its gradient with respect to n's outputs (nil where an output does not matter). It
	// returns one value per input and builds only those that need says are needed. A nil Grad means
	// that no gradient exists; a nil value among the results that the gradient is zero.
	Grad func(b *Builder, n *Node, dy []*Value, need []bool) []*Value

	// Bind picks and prepares the code for the node's static types. Constant inputs may be packed
	// or transformed here once.
	Bind func(n *Node) (Bound, error)

	// Cost estimates the work of one run. A nil Cost means that only moving the bytes counts.
	Cost func(n *Node) Cost

	// ONNX lists the operators of ONNX that this one implements.
	ONNX []Form

	// Cases drive the shape, gradient and conformance tests of this operator.
	Cases []Case
}

// Bound is a node made ready to run.
type Bound struct {
	// Run computes out from in. Both have the node's static types, absent ones are nil, and scratch
	// has Scratch bytes with unknown contents. Run must write every element of out. It errors only
	// for what types cannot rule out, such as an index out of range.
	Run func(in, out []*tensor.Tensor, scratch []byte) error

	// Scratch is the size in bytes of the workspace Run needs.
	Scratch int

	// InPlace lists the inputs whose buffer output 0 may overwrite: each element of the output is
	// written after the same element of that input was read for the last time.
	InPlace []int

	// View says that output 0 has the same bytes as input 0 (a reshape): no Run, no buffer.
	View bool

	// Packed lists the constant inputs that binding has copied into a form of its own. Run gets nil
	// for them, so that what nobody else reads need not stay in memory.
	Packed []int

	// Stateful says that Run keeps something between calls: how often it ran, or a form of weights
	// that train. Any other Run may be called by several goroutines at once, each with an out and a
	// scratch of its own.
	Stateful bool
}

// Cost is what one run of a node takes.
type Cost struct {
	FLOPs int64 // floating-point operations, a multiply-add counting two
	Bytes int64 // bytes read and written
}

// Form says how an ONNX operator becomes nodes of this graph.
type Form struct {
	Domain string // "" for ai.onnx
	Op     string
	Since  int // the first opset version this form covers
	Until  int // the last one, 0 for open-ended

	// Traits of the ONNX operator; nil for those of the Def.
	Traits *Traits

	// Attrs is Def.Attrs for the ONNX operator.
	Attrs map[string]AttrType

	// Lower builds the node n, given with static input types, from registered operators and returns
	// its outputs. A nil Lower builds the operator of the Def with the same inputs and attributes.
	Lower func(b *Builder, n *Node) ([]*Value, error)
}

// Case is one test of an operator: inputs and attributes, from which shape, forward value and
// gradient are checked.
type Case struct {
	Name   string
	Inputs []*tensor.Tensor // nil for absent
	Attrs  Attrs
	Const  []int            // inputs given as constants (shapes, axes)
	Want   []*tensor.Tensor // expected outputs, where known by hand
	NoGrad []int            // inputs at which no finite difference exists
	Flow   []int            // outputs through which the tested gradient comes; nil for every floating-point one
	Range  [2]float64       // random fill of float inputs given without contents; zero value: [-1, 1]
}

var registry = map[string]*Def{}

type formKey struct{ domain, op string }

var forms = map[formKey][]formDef{}

type formDef struct {
	Form
	def *Def
}

// Register adds an operator. It panics when the name is taken: operators register at start-up.
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

// RegisterForms adds ONNX operators that are written in terms of others; each needs its Lower.
func RegisterForms(fs ...Form) {
	for _, f := range fs {
		k := formKey{f.Domain, f.Op}
		forms[k] = append(forms[k], formDef{f, nil})
	}
}

// Lookup finds an operator by name, or returns nil.
func Lookup(name string) *Def { return registry[name] }

// Ops lists the registered operators by name.
func Ops() []*Def {
	var ds []*Def
	for _, k := range slices.Sorted(maps.Keys(registry)) {
		ds = append(ds, registry[k])
	}
	return ds
}

// Forms lists every ONNX operator known, as "domain.Op" or "Op", sorted.
func Forms() []string {
	var out []string
	for k := range forms {
		if k.domain == "" {
			out = append(out, k.op)
		} else {
			out = append(out, k.domain+"."+k.op)
		}
	}
	slices.Sort(out)
	return out
}

// FindForm finds how to lower an ONNX operator of an opset version; the Def is nil for a form of
// RegisterForms. It errors, naming the operator and
// its version, when none is known.
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

// FLOPs is the work of a node in floating-point operations, by the Cost of its operator; 0 where
// that says nothing. Types must be static.
func (n *Node) FLOPs() int64 {
	if c := Lookup(n.Op).Cost; c != nil {
		return c(n).FLOPs
	}
	return 0
}

// FLOPs is the work of one run of a static graph.
func (g *Graph) FLOPs() int64 {
	var sum int64
	for _, n := range g.Nodes {
		sum += n.FLOPs()
	}
	return sum
}
