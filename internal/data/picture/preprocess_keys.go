package picture

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// heeded are the keys of a preprocessor file that ParsePreprocess uses.
var heeded = []string{
	"do_resize", "size", "default_to_square", "resample", "do_center_crop", "crop_size", "crop_pct", "do_rescale", "rescale_factor",
	"rescale_offset", "do_normalize", "image_mean", "image_std", "include_top", "do_flip_channel_order", "do_pad", "pad_size", "data_format",
	"image_processor_type", "feature_extractor_type",
}

// harmless are the keys of Hugging Face's image processors that do not change a picture's values:
// names of classes and files, labels and masks of other tasks, forms of the processor's output. A
// picture is always converted to the model's channels, as do_convert_rgb asks.
var harmless = []string{
	"processor_class", "_processor_class", "auto_map", "model_input_names", "_valid_processor_keys", "_name_or_path", "name_or_path", "_commit_hash",
	"transformers_version", "tokenizer_class", "tokenizer_file", "return_tensors", "return_attention_mask", "return_pixel_mask", "pad_and_return_pixel_mask",
	"device", "disable_grouping", "input_data_format", "do_convert_rgb", "num_channels",
	"do_reduce_labels", "reduce_labels", "reduce_zero_label", "ignore_index", "num_labels", "do_convert_annotations", "format", "class_info_file", "repo_path", "metadata",
	"num_text", "max_seq_length", "task_seq_length", "mask_size", "mask_pad_size", "apply_ocr", "ocr_lang", "tesseract_config",
}

// checkKeys errors on a key that is neither heeded nor harmless. A key with the value false or null
// has no effect and is accepted.
func checkKeys(keys map[string]json.RawMessage) error {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := strings.TrimSpace(string(keys[key]))
		off := value == "false" || value == "null"
		if !off && !slices.Contains(heeded, key) && !slices.Contains(harmless, key) {
			return fmt.Errorf("%s: %s is not understood and may change the pictures: take the key out if it does not, or describe the preparation by %s",
				key, shorten(value), "size, crop_size, resample, rescale_factor, image_mean and image_std")
		}
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:37] + "..."
	}
	return s
}

// processor says how a class of Hugging Face's image processors differs from the others.
type processor struct {
	refuse  string  // what it does that is not done here; "" for nothing
	pads    bool    // do_pad fills to the right and below, after normalising
	cropPct float64 // default of crop_pct
	edge    float64 // the shortest edge is resized to this many times its size; 0 for 1
	top     bool    // include_top if not given
}

// processors are the classes that differ, by their names without ImageProcessor, FeatureExtractor
// and Fast.
var processors = map[string]processor{
	"ConditionalDetr": {pads: true},
	"ConvNext":        {cropPct: 224. / 256},
	"DeformableDetr":  {pads: true},
	"Deta":            {pads: true},
	"Detr":            {pads: true},
	"EfficientNet":    {top: true},
	"GroundingDino":   {pads: true},
	"Levit":           {edge: 256. / 224},
	"Mask2Former":     {pads: true},
	"MaskFormer":      {pads: true},
	"OneFormer":       {pads: true},
	"Perceiver":       {refuse: "crops before it resizes"},
	"PoolFormer":      {cropPct: 0.9},
	"RTDetr":          {pads: true},
	"Sam":             {pads: true},
	"Yolos":           {pads: true},
	"ImageGPT":        {refuse: "turns colours into clusters"},
	"Pix2Struct":      {refuse: "cuts pictures into patches"},
	"LlavaNext":       {refuse: "cuts pictures into tiles"},
	"Qwen2VL":         {refuse: "cuts pictures into patches"},
	"GLPN":            {refuse: "rounds the size of each picture"},
	"Vilt":            {refuse: "rounds the size of each picture"},
	"BridgeTower":     {refuse: "rounds the size of each picture"},
	"Owlv2":           {refuse: "pads before it resizes"},
	"Donut":           {refuse: "pads around the picture"},
	"Nougat":          {refuse: "crops margins"},
	"Swin2SR":         {refuse: "mirrors the picture's edges"},
	"Vivit":           {refuse: "is for videos"},
	"VideoMAE":        {refuse: "is for videos"},
	"Tvlt":            {refuse: "is for videos"},
	"Tvp":             {refuse: "is for videos"},
	"SuperPoint":      {refuse: "takes the colours away"},
	"SuperGlue":       {refuse: "takes the colours away"},
}

// processorOf returns the class that a file names. A file without a name pads like most classes.
func processorOf(names ...string) (processor, error) {
	for _, name := range names {
		if name == "" {
			continue
		}
		short := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "Fast"), "ImageProcessor"), "FeatureExtractor")
		p := processors[short]
		if p.refuse != "" {
			return p, fmt.Errorf("%s %s, which is not done here: prepare the pictures beforehand, and describe the rest without naming it", name, p.refuse)
		}
		return p, nil
	}
	return processor{pads: true}, nil
}
