package data

import (
	"cmp"
	"crypto/sha256"
	"slices"
)

// Subset returns the examples at the given indices, in that order.
func (d *Dataset) Subset(indices []int) *Dataset {
	s := d.subset(indices)
	s.Skipped, s.Remarks, s.other = nil, nil, nil
	return s
}

// HeldOutSubset is Subset for examples used for measuring, which are not augmented.
func (d *Dataset) HeldOutSubset(indices []int) *Dataset {
	s := d.Subset(indices)
	s.HeldOut, s.plain = true, true
	return s
}

// Folds divides the examples into k parts at random, by seed, with each class spread as evenly as
// whole groups allow (like scikit-learn's StratifiedGroupKFold). A group is examples that belong
// Together, so none is measured on its own copy. Every part is in the order of d. A class with fewer
// groups than parts is missing from some parts. Parts may be empty. Folds errors if a file cannot be
// read.
func (d *Dataset) Folds(k int, seed uint64, near []int) ([][]int, error) {
	root, err := d.Together(near)
	if err != nil {
		return nil, err
	}
	groups := d.groups(seed, root)
	// the largest first: small ones even out what they leave
	slices.SortStableFunc(groups, func(a, b []int) int { return cmp.Compare(len(b), len(a)) })
	total := d.byClass()
	counts := make([][]float64, k) // of the examples in a part, by class
	for p := range counts {
		counts[p] = make([]float64, len(total))
	}
	parts := make([][]int, k)
	for _, g := range groups {
		best, least := 0, 0.0
		for p := range parts {
			full := 0.0 // what the part has of the group's classes
			for _, i := range g {
				c := max(0, d.Examples[i].Label)
				full += counts[p][c] / float64(len(total[c])*len(total[c]))
			}
			if p == 0 || full < least || full == least && len(parts[p]) < len(parts[best]) {
				best, least = p, full
			}
		}
		for _, i := range g {
			counts[best][max(0, d.Examples[i].Label)]++
		}
		parts[best] = append(parts[best], g...)
	}
	for _, p := range parts {
		slices.Sort(p)
	}
	return parts, nil
}

// byClass lists the examples of each class; all are of one if there are no classes.
func (d *Dataset) byClass() [][]int {
	out := make([][]int, max(1, len(d.Classes)))
	for i, e := range d.Examples {
		out[max(0, e.Label)] = append(out[max(0, e.Label)], i)
	}
	return out
}

// Together gives every example the first one that it belongs with: those of one Example.Group, those
// with the same content, those with the same number in near, which has one for each example or is
// nil, and all that these join. It errors if a file cannot be read.
func (d *Dataset) Together(near []int) ([]int, error) {
	equal, err := d.equal()
	if err != nil {
		return nil, err
	}
	return d.together(equal, near), nil
}

// groups lists the groups of examples in random order, class by class. Root has for every example
// the first one of its group.
func (d *Dataset) groups(seed uint64, root []int) [][]int {
	at := map[int]int{} // by root
	var out [][]int
	for c, of := range d.byClass() {
		for _, p := range random(seed, Plain, c).Perm(len(of)) {
			i := of[p]
			k, known := at[root[i]]
			if !known {
				k = len(out)
				at[root[i]], out = k, append(out, nil)
			}
			out[k] = append(out[k], i)
		}
	}
	return out
}

// equal gives every example the first one with the same content.
func (d *Dataset) equal() ([]int, error) {
	first := map[[sha256.Size]byte]int{}
	out := FileOrder(d.Len())
	for i := range out {
		sum, err := d.Digest(i)
		if err != nil {
			return nil, err
		}
		setFirst(first, sum, i)
		out[i] = first[sum]
	}
	return out, nil
}

// together joins examples of one Example.Group, and those with the same number in one of some lists,
// which may be nil. It gives every example the first one of its group.
func (d *Dataset) together(numbers ...[]int) []int {
	root := FileOrder(d.Len())
	find := func(i int) int {
		for root[i] != i {
			root[i] = root[root[i]]
			i = root[i]
		}
		return i
	}
	join := func(i, j int) {
		a, b := find(i), find(j)
		root[max(a, b)] = min(a, b)
	}
	names := map[string]int{}
	for i, e := range d.Examples {
		if e.Group != "" {
			setFirst(names, e.Group, i)
			join(i, names[e.Group])
		}
	}
	for _, list := range numbers {
		first := map[int]int{}
		for i, number := range list {
			setFirst(first, number, i)
			join(i, first[number])
		}
	}
	for i := range root {
		root[i] = find(i)
	}
	return root
}

// Except returns the indices below n that are not in the sorted list out.
func Except(n int, out []int) []int {
	var in []int
	for i := range n {
		if _, found := slices.BinarySearch(out, i); !found {
			in = append(in, i)
		}
	}
	return in
}
