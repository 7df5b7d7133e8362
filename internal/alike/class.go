package alike

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// class is the examples of one class, with the distance of each from each.
type class struct {
	number   int
	members  []int     // indices of the examples, ascending
	distance []float32 // [n,n], infinite from an example to itself
	nearest  []float64 // distance to the nearest other example
	group    []int     // by example, the first of its group
	laws     [][]law   // by scale and example
}

const block = 256 // rows whose products are computed at a time

// newClass computes the distances of some rows of z.
func newClass(number int, z []float64, width int, members []int) *class {
	n := len(members)
	c := &class{number: number, members: members, distance: make([]float32, n*n), nearest: make([]float64, n), group: make([]int, n), laws: make([][]law, len(scales))}
	x := mat.NewDense(n, width, nil)
	for k, i := range members {
		x.SetRow(k, z[i*width:(i+1)*width])
		c.group[k] = k
	}
	square := make([]float64, n)
	for i := range n {
		for _, v := range x.RawRowView(i) {
			square[i] += v * v
		}
	}
	var products mat.Dense
	for from := 0; from < n; from += block {
		to := min(n, from+block)
		products.Reset()
		products.Mul(x.Slice(from, to, 0, width), x.T())
		for i := from; i < to; i++ {
			least := math.Inf(1)
			for j, p := range products.RawRowView(i - from) {
				sum := square[i] + square[j]
				d := sum - 2*p
				if d < 1e-9*sum { // rounding
					d = 0
				}
				d = math.Sqrt(d)
				if i == j {
					d = math.Inf(1)
				}
				c.distance[i*n+j] = float32(d)
				least = min(least, float64(float32(d)))
			}
			c.nearest[i] = least
		}
	}
	return c
}

// fit fits the power law of each example to the distances between the two ranks of each scale. Ranks
// are counted in groups: of each the nearest example counts. It fits none if there are too few.
func (c *class) fit() {
	n := len(c.members)
	at := make([]int, n) // by the first example of a group, its number
	groups := 0
	for k, g := range c.group {
		if g == k {
			at[k] = groups
			groups++
		}
	}
	for s := range c.laws {
		c.laws[s] = nil
	}
	if groups < fewest {
		return
	}
	least := make([]float64, groups)
	for i := range n {
		for g := range least {
			least[g] = math.Inf(1)
		}
		for j, d := range c.distance[i*n : (i+1)*n] {
			g := at[c.group[j]]
			least[g] = min(least[g], float64(d))
		}
		least[at[c.group[i]]] = math.Inf(1) // its own, last in order
		slices.Sort(least)
		for s, scale := range scales {
			a := max(1, math.Round(scale.near*float64(groups-1)))
			b := max(a+1, math.Round(scale.far*float64(groups-1)))
			near, far := least[int(a)-1], least[int(b)-1]
			c.laws[s] = append(c.laws[s], law{rank: a, distance: near, exponent: math.Log(b/a) / math.Log(far/near)})
		}
	}
}

// join makes one group of examples within reach of each other, and reports whether any were two.
func (c *class) join(reach []float64) (joined bool) {
	n := len(c.members)
	find := func(i int) int {
		for c.group[i] != i {
			c.group[i] = c.group[c.group[i]]
			i = c.group[i]
		}
		return i
	}
	for i := range reach {
		for j := range i {
			if float64(c.distance[i*n+j]) > max(reach[i], reach[j]) {
				continue
			}
			if a, b := find(i), find(j); a != b {
				c.group[max(a, b)] = min(a, b)
				joined = true
			}
		}
	}
	for i := range c.group {
		c.group[i] = find(i)
	}
	return joined
}
