package feed

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/gzipped"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tokenize"
)

// maxTokenizer limits the size of a tokenizer file, in bytes.
const maxTokenizer = 128 << 20

// readTokenizer finds the tokenizer: in the options, in the tuned file, or beside the model.
func (f *Texts) readTokenizer(m *onnx.Model, o Options, set textSettings) error {
	path := o.Text.Tokenizer
	var err error
	switch {
	case path == "" && set.Tokenizer != nil:
		path = KeySettings
		if f.file, err = gzipped.Unpack(set.Tokenizer, maxTokenizer); err != nil {
			return fmt.Errorf("%s: tokenizer: %w", KeySettings, err)
		}
	case path == "":
		if path = FindTokenizer(m.Path); path == "" {
			return fmt.Errorf("the model takes tokens, and there is no tokenizer beside it: name its tokenizer.json with option tokenizer")
		}
	}
	if f.file == nil {
		if f.file, err = os.ReadFile(path); err != nil {
			return option.Errorf("tokenizer", "%w", err)
		}
	}
	if f.Tokenizer, err = tokenize.Parse(f.file); err != nil {
		return fmt.Errorf("tokenizer %s: %w", path, err)
	}
	if f.sides = set.Sides; path != KeySettings {
		if f.config, err = readTokenizerConfig(path); err != nil {
			return err
		}
		f.sides = sides{f.config.Truncation, f.config.Padding}
	}
	f.sides.apply(f.Tokenizer)
	return nil
}

// FindTokenizer returns the tokenizer of a model file: MODEL-without-.onnx + .tokenizer.json, else
// tokenizer.json beside it, else "".
func FindTokenizer(modelPath string) string {
	return besideModel(modelPath, ".tokenizer.json", "tokenizer.json")
}

// sides are those at which texts are cut and padded, left or right, where tokenizer_config.json
// says other ones than tokenizer.json; "" where it does not.
type sides struct {
	Truncation string `json:"truncation,omitempty"`
	Padding    string `json:"padding,omitempty"`
}

// tokenizerConfig is what counts of the tokenizer_config.json beside a tokenizer's file.
type tokenizerConfig struct {
	Length     float64 `json:"model_max_length"`
	Truncation string  `json:"truncation_side"`
	Padding    string  `json:"padding_side"`
}

// readTokenizerConfig reads the file beside a tokenizer's, if there is one.
func readTokenizerConfig(tokenizer string) (c tokenizerConfig, err error) {
	path := filepath.Join(filepath.Dir(tokenizer), "tokenizer_config.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return c, nil
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	for key, v := range map[string]string{"truncation_side": c.Truncation, "padding_side": c.Padding} {
		if v != "" && v != "left" && v != "right" {
			return c, fmt.Errorf("%s: %s %q is neither left nor right", path, key, v)
		}
	}
	return c, nil
}

// apply sets the sides of a tokenizer.
func (s sides) apply(t *tokenize.Tokenizer) {
	if s.Truncation != "" {
		t.Truncation.Left = s.Truncation == "left"
	}
	if s.Padding != "" {
		t.Padding.Left = s.Padding == "left"
	}
}

// declared is how many tokens the tokenizer's file, or the tokenizer_config.json beside it, say
// that the model takes; 0 where neither does.
func (f *Texts) declared() int {
	if n := f.config.Length; n > 1 && n < 1<<20 {
		return int(n)
	}
	if n := f.Tokenizer.Truncation.Length; n > 1 {
		return n
	}
	return 0
}

// padded is the fixed number of tokens of the model, or of the tokenizer where the model has none
// and sees the padding; else -1. It takes the multiple that lengths are rounded up to.
func (f *Texts) padded(length int) int {
	if length >= 0 || slices.Contains(f.roles, TokenMask) {
		if length < 0 && f.Tokenizer.Padding.Left {
			f.notes = append(f.notes, "the tokenizer pads in front of texts: only texts of the same length go together, unpadded")
		}
		return length
	}
	if n := f.Tokenizer.Padding.Length; n > 0 {
		n = cmp.Or(f.most, n)
		f.notes = append(f.notes, fmt.Sprintf("the tokenizer pads every text to %d tokens, and the model has no mask: so it is fed", n))
		return n
	}
	f.multiple = f.Tokenizer.Padding.Multiple
	return length
}

// unknown errors on a token that the model has no row for.
func (f *Texts) unknown(ids []int) error {
	for _, id := range ids {
		if f.rows > 0 && id >= f.rows {
			return fmt.Errorf("the token %q, id %d, is added to the tokenizer, and the model's table has %d rows", f.Tokenizer.Token(id), id, f.rows)
		}
	}
	return nil
}
