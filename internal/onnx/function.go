package onnx

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// call inlines a call of a local function. The names inside get the caller's name as a prefix.
func (s *scope) call(n *nodeProto, fn *funcProto) error {
	if s.r.active[fn] {
		return fmt.Errorf("the function calls itself")
	}
	if len(s.r.active) >= maxNesting {
		return fmt.Errorf("functions nest deeper than %d", maxNesting)
	}
	if len(n.inputs) > len(fn.inputs) || len(n.outputs) > len(fn.outputs) {
		return fmt.Errorf("has %d inputs and %d outputs, the function %d and %d",
			len(n.inputs), len(n.outputs), len(fn.inputs), len(fn.outputs))
	}
	s.r.active[fn] = true
	defer delete(s.r.active, fn)
	s.r.work -= 64 * (len(fn.inputs) + len(fn.outputs) + len(fn.defaults))
	in := &scope{r: s.r, g: s.g, values: map[string]*ir.Value{}, lazy: map[string]func() (*ir.Value, error){},
		opsets: fn.opsets, prefix: s.prefix + n.label() + "/", rename: map[string]string{}, attrs: map[string]boundAttr{}}
	for i, name := range fn.inputs {
		if name == "" {
			return fmt.Errorf("the function has an input without a name")
		}
		if _, dup := in.values[name]; dup {
			return fmt.Errorf("the function's input %q is defined twice", name)
		}
		var v *ir.Value
		if i < len(n.inputs) {
			var err error
			if v, err = s.find(n.inputs[i]); err != nil {
				return err
			}
		}
		in.values[name] = v
	}
	for _, a := range fn.defaults {
		in.attrs[a.name] = boundAttr{a, s}
	}
	for _, a := range n.attrs {
		if a.ref == "" {
			in.attrs[a.name] = boundAttr{a, s}
		} else if b, ok := s.attrs[a.ref]; ok {
			in.attrs[a.name] = b
		}
	}
	for i, name := range fn.outputs {
		if i < len(n.outputs) && n.outputs[i] != "" {
			in.rename[name] = s.valueName(n.outputs[i])
		}
	}
	defined := map[string]bool{}
	for _, f := range fn.nodes {
		for _, o := range f.outputs {
			if _, dup := in.values[o]; o != "" && (dup || defined[o]) {
				return fmt.Errorf("the function's value %q is defined twice", o)
			}
			defined[o] = true
		}
	}
	if err := in.nodes(fn.nodes); err != nil {
		return err
	}
	for i, name := range n.outputs {
		if name == "" {
			continue
		}
		v, err := in.find(fn.outputs[i])
		if err != nil {
			return err
		}
		if v == nil {
			return fmt.Errorf("output %q is an input that was left out", name)
		}
		s.values[name] = v
	}
	return nil
}
