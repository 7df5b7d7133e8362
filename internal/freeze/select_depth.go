package freeze

import (
	"fmt"
	"strconv"
	"strings"
)

func init() {
	RegisterSelector(Selector{
		Kind: "depth", Examples: []string{"depth:60%-100%"},
		Read: func(s *Set, arg string) (Named, error) {
			lo, hi, err := depthRange(arg)
			n := float64(len(s.Blocks))
			return Named{Weights: func(w *Weight) bool {
				mid := (float64(w.Block) + 0.5) / n
				return w.Block >= 0 && mid >= lo && mid <= hi
			}}, err
		},
	})
}

func depthRange(arg string) (lo, hi float64, err error) {
	a, b, ok := strings.Cut(arg, "-")
	if !ok {
		return 0, 0, fmt.Errorf("give a range, as in depth:60%%-100%%")
	}
	if lo, err = percent(a); err != nil {
		return 0, 0, err
	}
	if hi, err = percent(b); err != nil {
		return 0, 0, err
	}
	if lo >= hi || lo < 0 || hi > 1 {
		return 0, 0, fmt.Errorf("the range runs from 0%% to 100%%, smaller end first")
	}
	return lo, hi, nil
}

func percent(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(s), "%"), 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no percentage", s)
	}
	return v / 100, nil
}
