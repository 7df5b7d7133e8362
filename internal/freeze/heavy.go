package freeze

import "fmt"

// HeavyNote says where the plan trains more than half of the pretrained weights for the sake of one
// block, though others stay frozen: a block is never less than a layer. It is "" elsewhere, and for
// a plan that trains every block.
func (p *Plan) HeavyNote(set *Set) string {
	total, sizes, trains := 0, make([]int, len(set.Blocks)), make([]bool, len(set.Blocks))
	for _, w := range set.Weights {
		if w.Block < 0 {
			continue
		}
		total += w.Len()
		sizes[w.Block] += w.Len()
		if w.Role == RoleWeight && p.Of(w.Name).State == Thaw {
			trains[w.Block] = true
		}
	}
	heavy, frozen := -1, false
	for i, n := range sizes {
		if trains[i] && 2*n > total {
			heavy = i
		}
		frozen = frozen || !trains[i]
	}
	if heavy < 0 || !frozen {
		return ""
	}
	return fmt.Sprintf("the block %q trains and alone holds %.0f%% of the pretrained weights: it cannot be divided", set.Blocks[heavy], 100*float64(sizes[heavy])/float64(total))
}
