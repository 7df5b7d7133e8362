package guide

import (
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/data/spec"
)

var preprocess = Page{
	Name:  "preprocess",
	Short: "the preprocessor file: how data become a model's input",
	Parts: append([]Part{
		{Text: "A preprocessor file is JSON in the form of Hugging Face's `preprocessor_config.json`, such as\n" +
			"`{\"size\": 256, \"crop_size\": 224, \"image_mean\": [0.485, 0.456, 0.406], \"image_std\": [0.229, 0.224, 0.225]}`.\n\n" +
			"It is looked for in this order: `{preprocess} FILE` or a preset; what a tuned model carries in its file; beside the\n" +
			"model `MODEL.preprocessor.json` (without `.onnx`), `preprocessor_config.json`, `processor_config.json` (its part\n" +
			"`image_processor` or `feature_extractor`), and timm's `config.json` (its part `pretrained_cfg`). Without any of them,\n" +
			"the model's first operators show what it needs; else the preset imagenet is assumed for pictures of three channels and\n" +
			"unit for others. A note says what the model gets.\n\n" +
			"Keys listed as supported are applied. Keys listed as harmless change no values and are ignored. Any other key is\n" +
			"refused by name, since it may change values, unless its value is false or null. `{layout}` and `{size}` settle what a\n" +
			"model leaves open. `{preprocess} tensors` is for data that are tensors already."},
		{Title: "Presets", List: picture.Presets},
		{Title: "Pictures: supported keys",
			Text: "The steps, in this order: resize, centre crop, rescale, normalize, flip the channels, pad. Resizing gives what Pillow's antialiased filters give. A picture is always converted to the model's channels.",
			List: picture.Keys},
		{Title: "Pictures: supported keys of timm's pretrained_cfg", List: picture.TimmKeys},
		{Title: "Pictures: harmless keys", Text: strings.Join(picture.Harmless, ", ")},
		{Title: "Pictures: refused",
			Text: "Processor classes, by the start of their names, whose work is not supported. Prepare the pictures beforehand, and describe the rest without naming the class.",
			List: picture.Refused()},
		{Title: "Sounds: supported keys",
			Text: "A file with `sampling_rate` is about sounds. They are mixed to one channel and resampled.",
			List: sound.Keys},
	}, frontEnds()...),
}

// frontEnds are the parts about the kinds of front ends of sounds, what is harmless to all, and about
// vectors.
func frontEnds() []Part {
	var parts []Part
	for _, f := range sound.FrontEnds {
		title := "Sounds: " + f.What
		if f.Type != "" {
			title += " (" + f.Type + ")"
		}
		parts = append(parts, Part{Title: title, List: f.Keys})
	}
	return append(parts,
		Part{Title: "Sounds: harmless keys", Text: strings.Join(sound.Harmless, ", ")},
		Part{Title: "Vectors", Text: "Other keys are refused.", List: []spec.Entry{
			{Name: "mean", Meaning: "subtracted from the numbers: one for all, or one for each column"},
			{Name: "std", Meaning: "the numbers are then divided by it; one for all, or one for each column"},
		}})
}
