package freeze

import (
	"fmt"
	"strings"
)

func init() {
	for _, by := range []string{ByFisher, ByMagnitude} {
		RegisterSelector(Selector{
			Kind: by, Examples: []string{by + ":0.5%"},
			Read: func(_ *Set, arg string) (Named, error) {
				x, err := percent(arg)
				if err != nil || !strings.HasSuffix(arg, "%") || !(x > 0 && x <= 1) {
					return Named{}, fmt.Errorf("give a share above 0%% and up to 100%%, as in %s:0.5%%", by)
				}
				return Named{Share: &Share{By: by, Share: x}}, nil
			},
		})
	}
}

// Share says that of all numbers that a plan may train only those of the largest measure do.
type Share struct {
	By       string  `json:"by"`                 // fisher or magnitude, see Set.Choose
	Share    float64 `json:"share"`              // above 0, up to 1
	Elements int     `json:"elements,omitempty"` // how many it came to, once they are known
}

// The measures of shares.
const (
	ByFisher    = "fisher"    // mean square of the gradients of single examples: the diagonal of the empirical Fisher information
	ByMagnitude = "magnitude" // absolute value
)
