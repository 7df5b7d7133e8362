package compile

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// block is one buffer of a program. It is first written at step from and last read at step to.
type block struct {
	size, from, to int
	offset         int
}

// layout places the blocks in one arena so that blocks with overlapping lifetimes share no bytes.
// It returns the arena's size. Blocks are placed largest first, each at the lowest offset that is
// free during its lifetime. On real networks this is within a few percent of the lower bound
// (greedy by size, Pisarchyk and Lee 2020).
func layout(blocks []*block) int {
	order := slices.Clone(blocks)
	slices.SortStableFunc(order, func(a, b *block) int { return cmp.Compare(b.size, a.size) })
	var placed []*block
	total := 0
	for _, b := range order {
		offset := 0
		for _, p := range placed { // placed is sorted by offset
			if p.to < b.from || b.to < p.from {
				continue
			}
			if offset+b.size <= p.offset {
				break
			}
			offset = max(offset, align(p.offset+p.size))
		}
		b.offset = offset
		total = max(total, offset+b.size)
		at, _ := slices.BinarySearchFunc(placed, b, func(p, q *block) int { return cmp.Compare(p.offset, q.offset) })
		placed = slices.Insert(placed, at, b)
	}
	return total
}

func align(n int) int { return (n + tensor.Align - 1) &^ (tensor.Align - 1) }
