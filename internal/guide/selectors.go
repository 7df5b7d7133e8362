package guide

import "github.com/permafrost-ml/permafrost/internal/data/spec"

var selectors = Page{
	Name:  "selectors",
	Short: "names of weights, for {thaw}, {freeze} and others",
	Parts: []Part{
		{Text: "A list of selectors applies from left to right: `{thaw} last:2,'!kind:norm'`. If an option is given again, the list continues. A selector that matches nothing is an error, which lists the nearest names. `permafrost inspect MODEL` shows the names, and with `{thaw}` what a list would train."},
		{Title: "Weights", List: []spec.Entry{
			{Name: "head", Meaning: "the classifier"},
			{Name: "all, none", Meaning: "every weight, no weight"},
			{Name: "layer3, /layer3/conv1", Meaning: "a layer, block, node or weight by its name, with all below it"},
			{Name: "layer3.*", Meaning: "a glob over these names; * matches dots and slashes too"},
			{Name: "re:REGEX", Meaning: "a regular expression over these names"},
			{Name: "first:N, last:N", Meaning: "blocks, counted from the input or from the head"},
			{Name: "depth:60%-100%", Meaning: "the blocks in that part of the network"},
			{Name: "kind:KIND", Meaning: "bias, norm, shift (what a norm adds), weight, embedding, adapter; bias and shift are all bias terms, as in BitFit"},
			{Name: "kind:attention", Meaning: "the matrices of attention in a transformer, or one kind of them: query, key, value, output; those between: feedforward"},
			{Name: "!SELECTOR", Meaning: "takes away"},
		}},
		{Title: "Less than a weight", List: []spec.Entry{
			{Name: "rows:NAME[0:8,-2:,5]", Meaning: "rows along the first axis; of embeddings also those of tokens: rows:NAME['cat']"},
			{Name: "channels:NAME[0:8]", Meaning: "output channels of convolutions, with their biases"},
			{Name: "fisher:0.5%", Meaning: "of what the other selectors name outside the head, or of everything, the share of numbers with the largest squared gradients"},
			{Name: "magnitude:0.5%", Meaning: "the same for the largest absolute values"},
		}},
	},
}
