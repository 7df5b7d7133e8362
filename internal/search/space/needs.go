package space

import (
	"fmt"
	"slices"
	"strings"
)

// needs is all that must hold for a parameter to exist: by the place of each parameter that it
// depends on, directly or not, the places of the values allowed.
type needs map[int][]int

// gather collects what parameter i needs from its own conditions and from those of the parameters
// that they name. It errors where nothing is left: then the parameter could never exist.
func (s *Space) gather(i int) (needs, error) {
	out := needs{}
	both := func(parent int, allowed []int) error {
		had, ok := out[parent]
		if ok {
			allowed = common(allowed, had)
		}
		if len(allowed) == 0 {
			return fmt.Errorf("when: no value of %s fulfils all conditions, so the parameter can never exist", s.params[parent].Name)
		}
		out[parent] = allowed
		return nil
	}
	for _, c := range s.params[i].When {
		at := s.at[c.Param]
		parent := &s.params[at]
		if parent.Kind == Float {
			return nil, fmt.Errorf("when: %s is a range of numbers: a condition needs single values", c.Param)
		}
		var allowed []int
		for _, v := range c.In {
			n := parent.Index(v)
			if parent.Kind == Int && parent.Has(v) {
				n = int(v.x - parent.Low)
			}
			if n < 0 {
				return nil, fmt.Errorf("when: %s never is %s, it has %s", c.Param, quoted(v), parent.describe())
			}
			allowed = append(allowed, n)
		}
		slices.Sort(allowed)
		if err := both(at, slices.Compact(allowed)); err != nil {
			return nil, err
		}
		for parent, allowed := range s.needs[at] {
			if err := both(parent, allowed); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func common(a, b []int) []int {
	return slices.DeleteFunc(slices.Clone(a), func(v int) bool { return !slices.Contains(b, v) })
}

// describe writes the conditions for an error.
func (n needs) describe(s *Space) string {
	var parts []string
	for i := range s.params {
		allowed, ok := n[i]
		if !ok {
			continue
		}
		values := make([]Value, len(allowed))
		for j, v := range allowed {
			values[j] = s.params[i].Nth(v)
		}
		parts = append(parts, s.params[i].Name+" "+strings.ReplaceAll(describe(values), ", ", " or "))
	}
	return strings.Join(parts, " and ")
}

// Groups parts the parameters, by their places in Params, into those that exist under the same
// conditions: a point has all parameters of a group or none. A group comes after those that it
// depends on.
func (s *Space) Groups() [][]int { return s.groups }

func (s *Space) group() [][]int {
	var out [][]int
	at := map[string]int{}
	for i, n := range s.needs {
		key := fmt.Sprint(n) // maps print in the order of their keys
		g, ok := at[key]
		if !ok {
			g = len(out)
			at[key] = g
			out = append(out, nil)
		}
		out[g] = append(out[g], i)
	}
	return out
}
