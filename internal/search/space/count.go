package space

import (
	"iter"
	"math"
	"slices"
)

// Endless is the size of a space that holds a range of numbers, or more points than can be counted.
const Endless = math.MaxInt

// Size returns the number of points, Endless where they have no end.
func (s *Space) Size() int { return s.size }

// mostCases bounds the combinations of conditions that are looked at to count.
const mostCases = 1 << 20

// count counts the points of the parameters from i on, given the values of those before. Of a
// parameter that others depend on, the values that no condition names count together.
func (s *Space) count(i int, chosen map[int]int, cases *int) int {
	if *cases--; *cases < 0 {
		return Endless
	}
	if i == len(s.params) {
		return 1
	}
	for parent, allowed := range s.needs[i] {
		if v, ok := chosen[parent]; !ok || !slices.Contains(allowed, v) {
			return s.count(i+1, chosen, cases)
		}
	}
	values := s.params[i].Count()
	if values == 0 {
		return Endless
	}
	named := s.named(i)
	sum := 0
	if others := values - len(named); others > 0 {
		chosen[i] = -1
		sum = times(others, s.count(i+1, chosen, cases))
	}
	for _, v := range named {
		chosen[i] = v
		sum = plus(sum, s.count(i+1, chosen, cases))
	}
	delete(chosen, i)
	return sum
}

// named lists the values of parameter i that conditions name.
func (s *Space) named(i int) []int {
	var out []int
	for _, n := range s.needs {
		out = append(out, n[i]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func plus(a, b int) int {
	if a > Endless-b {
		return Endless
	}
	return a + b
}

func times(a, b int) int {
	if a != 0 && b > Endless/a {
		return Endless
	}
	return a * b
}

// All walks through every point of a space that is not Endless, in the order of its values.
func (s *Space) All() iter.Seq[Point] {
	return func(yield func(Point) bool) {
		values := make([]Value, len(s.params))
		var from func(i int, settings []Setting) bool
		from = func(i int, settings []Setting) bool {
			if i == len(s.params) {
				return yield(NewPoint(settings...))
			}
			values[i] = Value{}
			if !s.exists(i, values) {
				return from(i+1, settings)
			}
			for n := range s.params[i].Count() {
				values[i] = s.params[i].Nth(n)
				if !from(i+1, append(settings[:len(settings):len(settings)], Setting{s.params[i].Name, values[i]})) {
					return false
				}
			}
			return true
		}
		from(0, nil)
	}
}
