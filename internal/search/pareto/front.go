// Package pareto compares results of several objectives, all of them to be made small: who
// dominates whom, who lies on the front, how much of the plane the front covers.
//
// In: one row of numbers a result, all rows of one length and without NaN. Out: orders, ranks and
// volumes. It knows nothing of what the numbers mean.
package pareto

import (
	"cmp"
	"math"
	"slices"
)

// Dominates reports whether a is at least as small as b everywhere and smaller somewhere.
func Dominates(a, b []float64) bool {
	smaller := false
	for k := range a {
		if a[k] > b[k] {
			return false
		}
		smaller = smaller || a[k] < b[k]
	}
	return smaller
}

// Front returns the places of the rows that no other row dominates, in their order.
func Front(rows [][]float64) []int {
	at := places(len(rows))
	slices.SortFunc(at, func(i, j int) int { return cmp.Or(slices.Compare(rows[i], rows[j]), i-j) })
	var out []int // a row is dominated by rows before it only, and then by one of the front
	for _, i := range at {
		if !slices.ContainsFunc(out, func(j int) bool { return Dominates(rows[j], rows[i]) }) {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// Fronts parts the rows into fronts, best first: each is the front of what those before it leave.
// It ends with the front that brings their rows to n. (Deb et al. 2002, A fast and elitist
// multiobjective genetic algorithm: NSGA-II, section III.A.)
func Fronts(rows [][]float64, n int) [][]int {
	var out [][]int
	for left := places(len(rows)); len(left) > 0 && n > 0; {
		var front, rest []int
		best := Front(pick(rows, left))
		for k, i := range left {
			if len(best) > 0 && best[0] == k {
				front, best = append(front, i), best[1:]
			} else {
				rest = append(rest, i)
			}
		}
		out = append(out, front)
		left, n = rest, n-len(front)
	}
	return out
}

// Order returns the places of the best n rows, best first: front by front, within a front those
// with more room around them first, and of equals the one that stands first.
func Order(rows [][]float64, n int) []int {
	n = min(n, len(rows))
	if len(rows) > 0 && len(rows[0]) == 1 {
		at := places(len(rows))
		slices.SortFunc(at, func(i, j int) int { return cmp.Or(cmp.Compare(rows[i][0], rows[j][0]), i-j) })
		return at[:n]
	}
	var out []int
	for _, front := range Fronts(rows, n) {
		room := Crowding(pick(rows, front))
		at := places(len(front))
		slices.SortFunc(at, func(i, j int) int { return cmp.Or(cmp.Compare(room[j], room[i]), i-j) })
		for _, i := range at {
			out = append(out, front[i])
		}
	}
	return out[:n]
}

// Crowding returns the room around each row of a front: over the objectives the sum of the
// distances between its two neighbours, as a part of the front's width; infinite at the ends
// (Deb et al. 2002, section III.B).
func Crowding(front [][]float64) []float64 {
	room := make([]float64, len(front))
	if len(front) == 0 {
		return room
	}
	for k := range front[0] {
		at := places(len(front))
		slices.SortFunc(at, func(i, j int) int { return cmp.Or(cmp.Compare(front[i][k], front[j][k]), i-j) })
		first, last := at[0], at[len(at)-1]
		width := front[last][k] - front[first][k]
		room[first], room[last] = math.Inf(1), math.Inf(1)
		for i := 1; i+1 < len(at) && width > 0; i++ {
			room[at[i]] += (front[at[i+1]][k] - front[at[i-1]][k]) / width
		}
	}
	return room
}

func pick(rows [][]float64, at []int) [][]float64 {
	out := make([][]float64, len(at))
	for i, j := range at {
		out[i] = rows[j]
	}
	return out
}

// places lists 0 to n-1.
func places(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
