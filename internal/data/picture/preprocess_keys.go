package picture

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/spec"
)

// Keys are the keys of a preprocessor file that ParsePreprocess heeds.
var Keys = []spec.Entry{
	{Name: "do_resize", Meaning: "resize the picture; default: if size is given"},
	{Name: "size", Meaning: `of the resized picture: {"height", "width"}, or {"shortest_edge"} and {"longest_edge"} to keep its shape, or one number; default: the model's input`},
	{Name: "default_to_square", Meaning: "whether one number as size is both sides (true) or the shortest edge (false); default: that of the class, else the edge if a crop follows"},
	{Name: "resample", Meaning: "filter of resizing: 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming, as Pillow counts, or the name; default: bilinear"},
	{Name: "do_center_crop", Meaning: "crop the centre of the resized picture; default: if crop_size is given"},
	{Name: "crop_size", Meaning: `of the crop: {"height", "width"} or one number; default: the model's input`},
	{Name: "crop_pct", Meaning: "share of the resized picture that the crop keeps, 0.05 to 1: the picture is resized to size divided by it"},
	{Name: "do_rescale", Meaning: "multiply the samples, which are 0 to 255; default: true"},
	{Name: "rescale_factor", Meaning: "what they are multiplied by; default: 1/255"},
	{Name: "rescale_offset", Meaning: "subtract 1 after rescaling"},
	{Name: "do_normalize", Meaning: "subtract image_mean and divide by image_std; default: if image_mean is given"},
	{Name: "image_mean", Meaning: "one number for each channel, red, green, blue, or one for all"},
	{Name: "image_std", Meaning: "likewise"},
	{Name: "include_top", Meaning: "divide by image_std once more, as EfficientNet's processor does"},
	{Name: "do_flip_channel_order", Meaning: "feed blue, green, red"},
	{Name: "do_pad", Meaning: "fill with zeros to the right and below, last; in place of a crop"},
	{Name: "pad_size", Meaning: `size with the padding: {"height", "width"}; default: the model's input`},
	{Name: "data_format", Meaning: "order of the axes where the model leaves it open: channels_first or channels_last"},
	{Name: "image_processor_type", Meaning: "class of Hugging Face's processor: some have other defaults, and some do what is not done here"},
	{Name: "feature_extractor_type", Meaning: "likewise, its older name"},
}

// Harmless are the keys of Hugging Face's image processors that do not change a picture's values:
// names of classes and files, labels and masks of other tasks, forms of the processor's output. A
// picture is always converted to the model's channels, as do_convert_rgb asks.
var Harmless = []string{
	"processor_class", "_processor_class", "auto_map", "model_input_names", "_valid_processor_keys", "_name_or_path", "name_or_path", "_commit_hash",
	"transformers_version", "tokenizer_class", "tokenizer_file", "return_tensors", "return_attention_mask", "return_pixel_mask", "pad_and_return_pixel_mask",
	"device", "disable_grouping", "input_data_format", "do_convert_rgb", "num_channels",
	"do_reduce_labels", "reduce_labels", "reduce_zero_label", "ignore_index", "num_labels", "do_convert_annotations", "format", "class_info_file", "repo_path", "metadata",
	"num_text", "max_seq_length", "task_seq_length", "mask_size", "mask_pad_size", "apply_ocr", "ocr_lang", "tesseract_config",
}

// TimmKeys are the keys of the part pretrained_cfg of timm's config.json that count. The others say
// where the weights are from and which layers they have.
var TimmKeys = []spec.Entry{
	{Name: "input_size", Meaning: "channels, height and width"},
	{Name: "crop_pct", Meaning: "the picture is resized to input_size divided by it, and its centre cropped; default: 0.875"},
	{Name: "crop_mode", Meaning: "center, the default, or squash, which stretches the picture to a square first"},
	{Name: "interpolation", Meaning: "filter of resizing, by name; default: bilinear"},
	{Name: "mean", Meaning: "for each channel, of samples from 0 to 1"},
	{Name: "std", Meaning: "likewise"},
}

// checkKeys errors on a key that is neither heeded nor harmless. A key with the value false or null
// has no effect and is accepted.
func checkKeys(keys map[string]json.RawMessage) error {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := strings.TrimSpace(string(keys[key]))
		off := value == "false" || value == "null"
		if !off && !spec.Has(Keys, key) && !slices.Contains(Harmless, key) {
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
	refuse  string    // what it does that is not done here; "" for nothing
	one     oneNumber // what one number as size is
	pads    bool      // do_pad fills to the right and below, after normalising
	cropPct float64   // default of crop_pct
	edge    float64   // the shortest edge is resized to this many times its size; 0 for 1
	top     bool      // include_top if not given
	flip    bool      // do_flip_channel_order if not given
}

// oneNumber is what a class makes of one number as size, its default_to_square.
type oneNumber int

const (
	byCrop  oneNumber = iota // the shortest edge if a crop follows, else both sides
	square                   // both sides
	edge                     // the shortest edge
	longest                  // the longest edge
)

// What several classes do that is not done here.
const (
	tiles   = "cuts pictures into tiles"
	patches = "cuts pictures into patches"
	rounds  = "rounds the size of each picture"
	grey    = "takes the colours away"
	videos  = "is for videos"
	padsAll = "pads around the picture"
)

// processors are the classes that are known, by their names without ImageProcessor,
// FeatureExtractor, Fast and Pil. What they make of one number as size is the default_to_square of
// their __init__ in Hugging Face's transformers.
var processors = map[string]processor{
	"Beit":            {one: square},
	"Bit":             {one: edge},
	"Blip":            {one: square},
	"CLIP":            {one: edge},
	"Chameleon":       {one: edge},
	"ChineseCLIP":     {one: edge},
	"ConditionalDetr": {one: edge, pads: true},
	"ConvNext":        {cropPct: 224. / 256, one: edge},
	"DPT":             {one: square},
	"DINOv3ViT":       {one: square},
	"DeformableDetr":  {one: edge, pads: true},
	"DeiT":            {one: square},
	"DepthPro":        {one: square},
	"Deta":            {one: edge, pads: true},
	"Detr":            {one: edge, pads: true},
	"EfficientFormer": {one: square},
	"EfficientNet":    {one: square, top: true},
	"Flava":           {one: square},
	"Gemma3":          {one: square}, // cuts tiles by do_pan_and_scan only
	"GotOcr2":         {one: square}, // cuts tiles by crop_to_patches only
	"GroundingDino":   {one: edge, pads: true},
	"LayoutLMv2":      {one: square, flip: true},
	"LayoutLMv3":      {one: square},
	"Levit":           {edge: 256. / 224, one: edge},
	"Llava":           {one: edge},
	"Mask2Former":     {one: edge, pads: true},
	"MaskFormer":      {one: edge, pads: true},
	"MobileNetV1":     {one: edge},
	"MobileNetV2":     {one: edge},
	"MobileViT":       {one: edge, flip: true},
	"OneFormer":       {one: edge, pads: true},
	"OwlViT":          {one: square},
	"PoolFormer":      {cropPct: 0.9, one: edge},
	"Pvt":             {one: square},
	"RTDetr":          {one: square, pads: true},
	"Sam":             {one: longest, pads: true},
	"Sam2":            {one: square},
	"SegGpt":          {one: square},
	"Segformer":       {one: square},
	"Siglip":          {one: square},
	"ViT":             {one: square},
	"Yolos":           {one: edge, pads: true},

	"Aria":                {refuse: tiles},
	"BridgeTower":         {refuse: rounds},
	"Cohere2Vision":       {refuse: tiles},
	"DeepseekVL":          {refuse: padsAll},
	"DeepseekVLHybrid":    {refuse: padsAll},
	"Donut":               {refuse: padsAll},
	"EfficientLoFTR":      {refuse: grey},
	"Emu3":                {refuse: rounds},
	"Eomt":                {refuse: tiles},
	"Fuyu":                {refuse: patches},
	"GLPN":                {refuse: rounds},
	"Glm4v":               {refuse: patches},
	"Idefics2":            {refuse: tiles},
	"Idefics3":            {refuse: tiles},
	"ImageGPT":            {refuse: "turns colours into clusters"},
	"InstructBlipVideo":   {refuse: videos},
	"Janus":               {refuse: padsAll},
	"Kosmos2_5":           {refuse: patches},
	"LightGlue":           {refuse: grey},
	"Llama4":              {refuse: tiles},
	"LlavaNext":           {refuse: tiles},
	"LlavaNextVideo":      {refuse: videos},
	"LlavaOnevision":      {refuse: tiles},
	"Mllama":              {refuse: tiles},
	"Nougat":              {refuse: "crops margins"},
	"Ovis2":               {refuse: tiles},
	"Owlv2":               {refuse: "pads before it resizes"},
	"Perceiver":           {refuse: "crops before it resizes"},
	"PerceptionLM":        {refuse: tiles},
	"Phi3V":               {refuse: tiles},
	"Phi4Multimodal":      {refuse: tiles},
	"Pix2Struct":          {refuse: patches},
	"Pixtral":             {refuse: rounds},
	"PromptDepthAnything": {refuse: rounds},
	"Qwen2VL":             {refuse: patches},
	"Qwen2_5_VL":          {refuse: patches},
	"Siglip2":             {refuse: patches},
	"SmolVLM":             {refuse: tiles},
	"SuperGlue":           {refuse: grey},
	"SuperPoint":          {refuse: grey},
	"Swin2SR":             {refuse: "mirrors the picture's edges"},
	"TextNet":             {refuse: rounds},
	"TimmWrapper":         {refuse: "reads its steps from the part pretrained_cfg of config.json (give that file as option preprocess)"},
	"Tvlt":                {refuse: videos},
	"Tvp":                 {refuse: videos},
	"VideoLlama3":         {refuse: patches},
	"VideoLlava":          {refuse: videos},
	"VideoMAE":            {refuse: videos},
	"Vilt":                {refuse: rounds},
	"VitMatte":            {refuse: "pads to a multiple"},
	"VitPose":             {refuse: "cuts persons out of pictures"},
	"Vivit":               {refuse: videos},
	"ZoeDepth":            {refuse: "pads before it resizes"},
}

// Refused are the classes of Hugging Face's image processors that do what is not done here, by the
// beginnings of their names, and what that is.
func Refused() []spec.Entry {
	var out []spec.Entry
	for _, name := range slices.Sorted(maps.Keys(processors)) {
		if why := processors[name].refuse; why != "" {
			out = append(out, spec.Entry{Name: name, Meaning: why})
		}
	}
	return out
}

// processorOf returns the class that a file names; known is false for a name that is none of
// processors. A file without a name pads like most classes.
func processorOf(names ...string) (p processor, known bool, err error) {
	for _, name := range names {
		if name == "" {
			continue
		}
		short := name
		for _, end := range []string{"Fast", "Pil", "ImageProcessor", "FeatureExtractor"} {
			short = strings.TrimSuffix(short, end)
		}
		p, known = processors[short]
		if p.refuse != "" {
			return p, true, fmt.Errorf("%s %s, which is not done here: prepare the pictures beforehand, and describe the rest without naming it", name, p.refuse)
		}
		return p, known, nil
	}
	return processor{pads: true}, true, nil
}
