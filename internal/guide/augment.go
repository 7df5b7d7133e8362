package guide

import (
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
)

var augment = Page{
	Name:  "augment",
	Short: "random changes of training examples",
	Parts: []Part{
		{Text: "`{augment}` takes a list of steps, such as `flip,crop:0.6,color:0.2` or `noise:10,gain:6`. Each step may occur once; the order does not matter. Validation examples are never changed. Texts are not augmented.\n\n" +
			"Frozen activations are computed again for every changed example. `{cache_variants} K` keeps K variants of each example and uses them in turn."},
		{Title: "Pictures", List: picture.AugmentSteps},
		{Title: "Sounds", List: sound.AugmentSteps},
	},
}
