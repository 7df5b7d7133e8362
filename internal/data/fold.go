package data

import (
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

// Folds divides the examples into k parts at random, by seed, with each class spread evenly.
// Examples with the same content are in the same part, so that none is measured on its own copy.
// Every part is in the order of d. A class with fewer examples than parts is missing from some
// parts. Parts may be empty if there are few examples. Folds errors if a file cannot be read.
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
