package freeze

import (
	"errors"
	"strconv"
)

// The selector that docs/extending.md adds: TestExtending runs it.

func init() {
	RegisterSelector(Selector{
		Kind: "larger", Examples: []string{"larger:1000"},
		Read: func(_ *Set, arg string) (Named, error) {
			n, err := strconv.Atoi(arg)
			if err != nil {
				return Named{}, errors.New("give a number of elements, as in larger:1000")
			}
			return Named{Weights: func(w *Weight) bool { return w.Len() > n }}, nil
		},
	})
}
