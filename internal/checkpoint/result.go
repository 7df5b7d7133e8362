package checkpoint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Lack is a tensor that only one side has.
type Lack struct {
	Name  string
	Shape []int
	Why   string
}

// Result says which tensor of a checkpoint goes where in a model.
type Result struct {
	Matched []*Match
	Missing []Lack // in the model, not in the checkpoint
	Unused  []Lack // in the checkpoint, not in the model
	// in the model, with the values that they have there
	Kept []Lack
	// in the checkpoint, left out because Options say so
	Ignored []Lack
	// integer buffers of the checkpoint, such as num_batches_tracked
	Integers int
	// prefix that the checkpoint's names have and the model's have not
	Stripped string
	// prefix that the model's names have and the checkpoint's have not
	Added     string
	Eps       float64 // of folded batch norm, 0 where none is
	EpsSource string

	targets []*target
	sources []*source
	indices []*source // integers
	users   map[*ir.Value][]*ir.Node
	options Options
}

// lack records that nothing was found for t. A constant that an exporter computed, such as a mask,
// is part of the architecture and keeps its value.
func (r *Result) lack(t *target, why string) {
	l := Lack{t.name, t.shape(), why}
	switch {
	case matchesAny(r.options.Keep, t.name):
		l.Why = "option keep"
		r.Kept = append(r.Kept, l)
	case why == "" && (t.param.Node >= 0 || t.madeUp() && arithmetic[t.op()] && !r.leftIn(t.module)):
		l.Why = "a constant of the model"
		r.Kept = append(r.Kept, l)
	case t.alias && t.madeUp() || t.node == nil && why == "":
		// another form of a tensor that is listed, or one that nothing reads
	default:
		if l.Why == "" {
			l.Why = r.computed(t)
		}
		r.Missing = append(r.Missing, l)
	}
}

// arithmetic lists the operators whose operands may be constants.
var arithmetic = map[string]bool{"Add": true, "Sub": true, "Mul": true, "Div": true, "Where": true, "Pow": true, "Max": true, "Min": true, "Concat": true, "Gather": true}

// leftIn reports whether a module of the checkpoint has tensors without a place.
func (r *Result) leftIn(module string) bool {
	module = r.key(module)
	return slices.ContainsFunc(r.sources, func(s *source) bool {
		p, _ := parent(s.key)
		return !s.used && p == module
	})
}

func matchesAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		ok, _ := path.Match(g, name) // checked by Find
		return ok
	})
}

// Check errors unless every tensor of the model has a match, and every tensor of the checkpoint a
// place.
func (r *Result) Check() error {
	var parts []string
	say := func(what string, ls []Lack, mend string) {
		if len(ls) == 0 {
			return
		}
		var names []string
		for _, l := range ls[:min(len(ls), 3)] {
			names = append(names, l.Name)
		}
		if why := ls[0].Why; why != "" {
			names[0] += " (" + why + ")"
		}
		more := ""
		if n := len(ls) - len(names); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, fmt.Sprintf("%s %s%s (%s)", what, strings.Join(names, ", "), more, mend))
	}
	say("the checkpoint lacks", r.Missing, "option keep leaves the model's values")
	say("the model lacks", r.Unused, "option ignore leaves them out")
	if len(r.Matched) == 0 {
		return fmt.Errorf("nothing matches: the checkpoint is of another architecture")
	}
	if len(parts) == 0 {
		return nil
	}
	return fmt.Errorf("%d tensors match, but %s: is the checkpoint of another architecture?", len(r.Matched), strings.Join(parts, "; "))
}

// Patch puts the checkpoint's tensors into the model. The exporter merges parameters with equal
// contents. Those that differ now are separated again.
func (r *Result) Patch() *onnx.Patch {
	p := &onnx.Patch{Tensors: map[string]*tensor.Tensor{}}
	for _, m := range r.Matched {
		if !m.target.alias {
			p.Tensors[m.Tensor] = m.Value()
		}
	}
	for _, m := range r.Matched {
		if !m.target.alias {
			continue
		}
		v, own := m.Value(), m.target.param.Tensor
		if t := p.Tensors[m.target.param.Name]; t != nil {
			own = t
		}
		if string(v.Bytes) != string(own.Bytes) {
			p.RemoveNodes = append(p.RemoveNodes, m.Tensor)
			p.AddInitializers = append(p.AddInitializers, onnx.Initializer{Name: m.Tensor, Tensor: v})
		}
	}
	return p
}
