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
		{Text: "A preprocessor file is JSON in the form of Hugging Face's `preprocessor_config.json`, as\n" +
			"`{\"size\": 256, \"crop_size\": 224, \"image_mean\": [0.485, 0.456, 0.406], \"image_std\": [0.229, 0.224, 0.225]}`.\n\n" +
			"It is looked for in this order: `{preprocess} FILE` or a preset; what a tuned model carries in its file; beside the\n" +
			"model `MODEL.preprocessor.json` (without `.onnx`), `preprocessor_config.json`, `processor_config.json` (its part\n" +
			"`image_processor` or `feature_extractor`), and timm's `config.json` (its part `pretrained_cfg`). Where there is none,\n" +
			"the model's first operators tell what it wants, else imagenet is assumed for pictures of three channels and unit for\n" +
			"others. One printed line says what is fed.\n\n" +
			"A key that is listed as heeded changes values. A key that is listed as harmless is passed over. Any other key is\n" +
			"refused by its name, as it may change values, unless its value is false or null. `{layout}` and `{size}` settle what\n" +
			"a model leaves open. `{preprocess} tensors` is for data that are tensors already."},
		{Title: "Presets", List: picture.Presets},
		{Title: "Pictures: keys that are heeded",
			Text: "The steps, in this order: resize, centre crop, rescale, normalize, flip the channels, pad. Resizing gives what Pillow's antialiased filters give. A picture is always converted to the model's channels.",
			List: picture.Keys},
		{Title: "Pictures: keys of timm's pretrained_cfg that are heeded", List: picture.TimmKeys},
		{Title: "Pictures: keys that are harmless", Text: strings.Join(picture.Harmless, ", ")},
		{Title: "Pictures: refused",
			Text: "Classes of processors, by the beginnings of their names: what they do is not done here. Prepare the pictures beforehand, and describe the rest without naming the class.",
			List: picture.Refused()},
		{Title: "Sounds: keys that are heeded",
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
		Part{Title: "Sounds: keys that are harmless", Text: strings.Join(sound.Harmless, ", ")},
		Part{Title: "Vectors", Text: "Other keys are refused.", List: []spec.Entry{
			{Name: "mean", Meaning: "is taken off the numbers: one for all, or one for each"},
			{Name: "std", Meaning: "they are divided by it then, likewise"},
		}})
}
