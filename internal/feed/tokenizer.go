package feed

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

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
	return nil
}

// FindTokenizer returns the tokenizer of a model file: MODEL-without-.onnx + .tokenizer.json, else
// tokenizer.json beside it, else "".
func FindTokenizer(modelPath string) string {
	return besideModel(modelPath, ".tokenizer.json", "tokenizer.json")
}

// declared returns the number of tokens that the model takes, according to the tokenizer's file or
// the tokenizer_config.json beside it. It is 0 if neither says.
func (f *Texts) declared(o Options) int {
	var t struct {
		Truncation *struct {
			Length int `json:"max_length"`
		} `json:"truncation"`
	}
	var c struct {
		Length float64 `json:"model_max_length"`
	}
	if o.Text.Tokenizer != "" {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(o.Text.Tokenizer), "tokenizer_config.json")); err == nil && json.Unmarshal(b, &c) == nil && c.Length > 1 && c.Length < 1<<20 {
			return int(c.Length)
		}
	}
	if json.Unmarshal(f.file, &t) == nil && t.Truncation != nil && t.Truncation.Length > 1 {
		return t.Truncation.Length
	}
	return 0
}
