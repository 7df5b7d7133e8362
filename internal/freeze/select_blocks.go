package freeze

import (
	"fmt"
	"strconv"
)

func init() {
	RegisterSelector(Selector{
		Kind: "first", Examples: []string{"first:1"},
		Read: func(s *Set, arg string) (Named, error) {
			n, err := s.blocks(arg, "first:2")
			return Named{Weights: func(w *Weight) bool { return w.Block >= 0 && w.Block < n }}, err
		},
	})
	RegisterSelector(Selector{
		Kind: "last", Examples: []string{"last:1", "last:2"},
		Read: func(s *Set, arg string) (Named, error) {
			n, err := s.blocks(arg, "last:2")
			return Named{Weights: func(w *Weight) bool { return w.Block >= len(s.Blocks)-n }}, err
		},
	})
}

// blocks reads a number of blocks that the model has.
func (s *Set) blocks(arg, example string) (int, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("give a number of blocks, as in %s", example)
	}
	if q := s.quantised(); q != "" && n > len(s.Blocks) {
		return 0, fmt.Errorf("%s, which leaves %d blocks that can: train the head alone, or give the model as it was before it was quantised", q, len(s.Blocks))
	}
	if len(s.Blocks) == 0 {
		return 0, fmt.Errorf("the model has no blocks: train the head, or name weights as inspect lists them")
	}
	if n > len(s.Blocks) {
		return 0, fmt.Errorf("the model has %d blocks: %s", len(s.Blocks), abbreviate(s.Blocks))
	}
	return n, nil
}
