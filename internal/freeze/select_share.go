package freeze

import (
	"fmt"
	"math"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
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

// Share restricts a plan to the elements with the largest scores, a share of all that it may train.
type Share struct {
	By       string  `json:"by"`                 // fisher or magnitude, see Set.Choose
	Share    float64 `json:"share"`              // above 0, up to 1
	Elements int     `json:"elements,omitempty"` // number of elements, once the share is taken
}

// The scores by which a share is taken.
const (
	// mean square of the gradients of single examples: the diagonal of the empirical Fisher
	// information
	ByFisher    = "fisher"
	ByMagnitude = "magnitude" // absolute value
)

// String is the selector that takes the share.
func (s *Share) String() string { return fmt.Sprintf("%s:%g%%", s.By, 100*s.Share) }

// of is how many numbers the share of total is. It errors on none.
func (s *Share) of(total int) (int, error) {
	n := int(math.Round(s.Share * float64(total)))
	if n == 0 {
		return 0, option.Errorf("thaw", "%s of %d numbers is none: it is taken of the pretrained weights that the other selectors thaw; thaw or take more", s, total)
	}
	return n, nil
}
