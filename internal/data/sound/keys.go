package sound

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The keys of a preprocessor file that every front end heeds, and those of each. A model as front
// end has no type.
var (
	common = []string{"feature_extractor_type", "sampling_rate", "max_seconds", "padding_side", "padding_value", "dither"}
	keysOf = map[string][]string{
		"":      {"frontend", "sample_scale", "feature_scale", "feature_shift", "window", "hop", "pad_seconds"},
		Whisper: {"feature_size", "n_fft", "hop_length", "chunk_length", "pad_seconds"},
		AST:     {"do_normalize", "num_mel_bins", "max_length", "mean", "std", "pad_seconds"},
		Raw:     {"do_normalize", "window", "hop", "pad_seconds"},
	}
)

// harmless are keys of Hugging Face's audio processors that leave the values as they are: names of
// classes and files, masks, the form of the processor's own output, and what follows from other
// keys.
var harmless = []string{
	"processor_class", "_processor_class", "image_processor_type", "auto_map", "model_input_names", "_valid_processor_keys", "_name_or_path", "name_or_path",
	"_commit_hash", "transformers_version", "tokenizer_class", "return_tensors", "return_attention_mask", "device", "mel_filters", "n_samples", "nb_max_frames",
}

// checkKeys errors on a key that c's front end does not heed and that may change a sound. One whose
// value is false, null or 0 switches nothing on.
func (c *Config) checkKeys(keys map[string]json.RawMessage) error {
	kind := c.Type
	if c.Frontend != "" {
		kind = ""
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := strings.TrimSpace(string(keys[key]))
		switch {
		case slices.Contains(common, key), slices.Contains(keysOf[kind], key), slices.Contains(harmless, key):
		case slices.Contains([]string{"false", "null", "0", "0.0", `""`}, value):
		case key == "feature_size" && value == "1": // a sample is one value
		default:
			if len(value) > 40 {
				value = value[:37] + "..."
			}
			return fmt.Errorf("%s: %s is not understood for %s and may change the sounds: take the key out if it does not", key, value, c.front())
		}
	}
	return nil
}

// front names the front end in messages.
func (c *Config) front() string {
	if c.Frontend != "" {
		return "the front end " + c.Frontend
	}
	return c.Type
}
