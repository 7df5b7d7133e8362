package data

import (
	"fmt"
	"slices"
)

// Split holds out a tenth of the examples for validation, picked by seed. If there are classes it
// takes a tenth of each, as nearly as whole groups allow, see Example.Group.
func (d *Dataset) Split(seed uint64) (train, val *Dataset) {
	rest, held := d.holdOut(d.groups(seed, d.together()))
	val = d.subset(held)
	val.HeldOut, val.plain, val.Skipped, val.other = true, true, nil, nil
	val.Remarks = nil
	train = d.subset(rest)
	if grouped := slices.ContainsFunc(d.Examples, func(e Example) bool { return e.Group != "" }); grouped && len(held) > 0 {
		train.Remarks = append(train.Remarks, fmt.Sprintf("%d of %d examples are held out for validation, in whole groups", len(held), d.Len()))
	}
	return train, val
}

// holdOut takes a tenth of each class in whole groups, rounded, at least one example but never all.
// A class whose groups all are too large gives its smallest. Both parts keep d's order.
func (d *Dataset) holdOut(groups [][]int) (rest, held []int) {
	byClass := d.byClass()
	of := make([]map[int]int, len(groups)) // the group's examples by class
	for k, g := range groups {
		of[k] = map[int]int{}
		for _, i := range g {
			of[k][max(0, d.Examples[i].Label)]++
		}
	}
	out, have := make([]bool, len(groups)), make([]int, len(byClass))
	leaves := func(k int) bool { // some of every class to train with
		for c, n := range of[k] {
			if have[c]+n >= len(byClass[c]) {
				return false
			}
		}
		return true
	}
	take := func(k int) {
		out[k] = true
		for c, n := range of[k] {
			have[c] += n
		}
	}
	for c, all := range byClass {
		if len(all) < 2 {
			continue
		}
		want := max(1, (len(all)+5)/10)
		smallest := -1
		for k := range groups {
			n := of[k][c]
			if out[k] || n == 0 || !leaves(k) {
				continue
			}
			if 2*have[c]+n <= 2*want { // it comes nearer
				take(k)
			} else if smallest < 0 || len(groups[k]) < len(groups[smallest]) {
				smallest = k
			}
		}
		if have[c] == 0 && smallest >= 0 {
			take(smallest)
		}
	}
	for k, g := range groups {
		if out[k] {
			held = append(held, g...)
		} else {
			rest = append(rest, g...)
		}
	}
	slices.Sort(rest)
	slices.Sort(held)
	return rest, held
}
