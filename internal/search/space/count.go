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

// count multiplies the sizes of the parts that no condition joins.
func (s *Space) count() int {
	size := 1
	for _, part := range s.parts() {
		cases := mostCases
		size = times(size, s.countPart(part, map[int]int{}, &cases))
	}
	return size
}

// parts joins the parameters that conditions tie together.
func (s *Space) parts() [][]int {
	root := make([]int, len(s.params))
	for i, n := range s.needs {
		root[i] = i
		for parent := range n {
			old, now := root[parent], root[i]
			for j := range root[:i+1] {
				if root[j] == old {
					root[j] = now
				}
			}
		}
	}
	byRoot := map[int][]int{}
	for i, r := range root {
		byRoot[r] = append(byRoot[r], i)
	}
	var out [][]int
	for _, r := range root {
		if part, ok := byRoot[r]; ok {
			out = append(out, part)
			delete(byRoot, r)
		}
	}
	return out
}

// countPart counts the points of the parameters left, given the values of those before. Of a
// parameter that others depend on, values that no condition names count together.
func (s *Space) countPart(left []int, chosen map[int]int, cases *int) int {
	if *cases--; *cases < 0 {
		return Endless
	}
	if len(left) == 0 {
		return 1
	}
	i, rest := left[0], left[1:]
	for parent, allowed := range s.needs[i] {
		if v, ok := chosen[parent]; !ok || !slices.Contains(allowed, v) {
			return s.countPart(rest, chosen, cases)
		}
	}
	values := s.params[i].Count()
	if values == 0 {
		return Endless
	}
	named := s.named(i, rest)
	sum := 0
	if others := values - len(named); others > 0 {
		chosen[i] = -1
		sum = times(others, s.countPart(rest, chosen, cases))
	}
	for _, v := range named {
		chosen[i] = v
		sum = plus(sum, s.countPart(rest, chosen, cases))
	}
	delete(chosen, i)
	return sum
}

// named lists the values of parameter i that conditions of the others name.
func (s *Space) named(i int, others []int) []int {
	var out []int
	for _, o := range others {
		out = append(out, s.needs[o][i]...)
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
