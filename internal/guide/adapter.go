package guide

import "github.com/permafrost-ml/permafrost/internal/data/spec"

var adapter = Page{
	Name:  "adapter",
	Short: "small trained additions to frozen layers, for {adapter}",
	Parts: []Part{
		{Text: "An adapter stands beside a layer, whose own weights stay frozen. Join adapters for different layers by `+`, each with the selectors of its layers after `@`: `{adapter} lora:8@last:2+lora:2@layers.0,layers.1`. One of them may have no selectors: it is for all remaining layers. Two different adapters for one layer are an error."},
		{List: []spec.Entry{
			{Name: "lora:R", Meaning: "a product of two matrices of rank R beside each linear layer outside the head; in networks without attention beside convolutions too"},
			{Name: "ia3", Meaning: "a scale for each feature of keys, values and the hidden activations; in networks without attention for each channel of the convolutions"},
			{Name: "peft:FOLDER", Meaning: "a trained adapter of LoRA as the Python package peft stores it, which trains on: its layers, ranks and strength are those of its files; FOLDER may be one on the hub, hf:OWNER/NAME[@REVISION][:FOLDER]"},
			{Name: "lora:8@last:2", Meaning: "of the last two blocks only"},
			{Name: "lora:8+lora:2@first:3", Meaning: "rank 2 in the first three blocks, rank 8 in all others"},
			{Name: "lora:4@kind:query,kind:value", Meaning: "beside the layers that compute queries and values"},
			{Name: "lora:8+none@kind:feedforward", Meaning: "none in feed-forward parts"},
			{Name: "lora:8@last:2 with {adapter_targets} kind:attention", Meaning: "of the last two blocks the layers of attention: the targets hold for all parts"},
		}},
	},
}
