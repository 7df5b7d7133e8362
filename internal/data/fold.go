package data

import (
	"crypto/sha256"
	"slices"
)

// Subset is the examples at the given indices, in that order.
func (d *Dataset) Subset(indices []int) *Dataset {
	s := d.subset(indices)
	s.Skipped, s.Remarks, s.other = nil, nil, nil
	return s
}

// HeldOutSubset is the same for examples to measure by, which are not augmented.
func (d *Dataset) HeldOutSubset(indices []int) *Dataset {
	s := d.Subset(indices)
	s.HeldOut, s.plain = true, true
	return s
}

// Folds deals the examples to k parts, picked by seed: each class evenly, its examples one part
// after the other. Examples of the same contents lie in the same part, so that none is measured by
// its own copy. Every part is in the order of d. A class with fewer examples than parts is missing
// from some; parts may be empty where examples are few. It errors where a file cannot be read.
func (d *Dataset) Folds(k int, seed uint64) ([][]int, error) {
	parts := make([][]int, k)
	part := map[[sha256.Size]byte]int{}
	byClass := make([][]int, max(1, len(d.Classes)))
	for i, e := range d.Examples {
		byClass[max(0, e.Label)] = append(byClass[max(0, e.Label)], i)
	}
	at := 0
	for c, of := range byClass {
		for _, p := range random(seed, Plain, c).Perm(len(of)) {
			i := of[p]
			sum, err := d.Digest(i)
			if err != nil {
				return nil, err
			}
			to, copied := part[sum]
			if !copied {
				to = at % k
				part[sum] = to
				at++
			}
			parts[to] = append(parts[to], i)
		}
	}
	for _, p := range parts {
		slices.Sort(p)
	}
	return parts, nil
}

// Except lists the indices of n examples that are not in the sorted list out.
func Except(n int, out []int) []int {
	var in []int
	for i := range n {
		if _, found := slices.BinarySearch(out, i); !found {
			in = append(in, i)
		}
	}
	return in
}
