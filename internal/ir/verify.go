package ir

import "fmt"

// Verify checks what every pass must preserve in a specialised graph: values are defined once and
// before use, nodes name registered operators, and each node's output types are those that its
// operator infers. Passes run it in tests.
func Verify(g *Graph) error {
	defined := map[*Value]bool{}
	for _, v := range g.Inputs {
		if v.Kind != Input {
			return fmt.Errorf("ir: graph %s: input %q is no Input", g.Name, v.Name)
		}
		defined[v] = true
	}
	known := func(v *Value) error {
		switch {
		case v.Kind == Param || v.Kind == Const:
			if v.Data == nil {
				return fmt.Errorf("%q has no contents", v.Name)
			}
			if !TypeOf(v.Data).Equal(v.Type) {
				return fmt.Errorf("%q holds %v but is typed %v", v.Name, TypeOf(v.Data), v.Type)
			}
		case !defined[v]:
			return fmt.Errorf("%q is used before it is defined", v.Name)
		}
		return nil
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v != nil {
				if err := known(v); err != nil {
					return fmt.Errorf("ir: %w", n.Errorf("%w", err))
				}
			}
		}
		d := Lookup(n.Op)
		if d == nil {
			return fmt.Errorf("ir: %w", n.Errorf("no such operator"))
		}
		if err := n.CheckAttrs(); err != nil {
			return fmt.Errorf("ir: %w", err)
		}
		types, err := d.Infer(n)
		if err != nil {
			return fmt.Errorf("ir: %w", n.Errorf("%w", err))
		}
		if len(types) < len(n.Outputs) {
			return fmt.Errorf("ir: %w", n.Errorf("has %d outputs, its operator gives %d", len(n.Outputs), len(types)))
		}
		for i, v := range n.Outputs {
			if v == nil {
				continue
			}
			if defined[v] {
				return fmt.Errorf("ir: %w", n.Errorf("%q is defined twice", v.Name))
			}
			if v.Node != n || v.Out != i || v.Kind != Result {
				return fmt.Errorf("ir: %w", n.Errorf("%q does not point back to its node", v.Name))
			}
			if !v.Type.Equal(types[i]) {
				return fmt.Errorf("ir: %w", n.Errorf("%q is typed %v, its operator gives %v", v.Name, v.Type, types[i]))
			}
			defined[v] = true
		}
	}
	for _, v := range g.Outputs {
		if err := known(v); err != nil {
			return fmt.Errorf("ir: graph %s: output %w", g.Name, err)
		}
	}
	return nil
}
