package feed

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// KeyLabels is the key of a tuned file's metadata_props that names its scores: a JSON array.
const KeyLabels = "permafrost.labels"

// ModelClasses are the names of a model's own scores: as a tuned file's record has them, else as
// id2label or label2id of the config.json beside the model (MODEL-without-.onnx + .config.json, or
// config.json) say. There are none where neither is there or the names say nothing, as LABEL_0. It
// errors on a file that does not name every score once.
func ModelClasses(m *onnx.Model) (*data.Own, error) {
	if text, ok := m.Metadata[KeyLabels]; ok {
		own := &data.Own{From: "the tuned model"}
		if err := json.Unmarshal([]byte(text), &own.Names); err != nil {
			return nil, fmt.Errorf("%s: %w", KeyLabels, err)
		}
		return own, nil
	}
	path := besideModel(m.Path, ".config.json", "config.json")
	if path == "" {
		return new(data.Own), nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	names, err := labelsOfConfig(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &data.Own{Names: names, From: filepath.Base(path)}, nil
}

// genericLabel is how Hugging Face calls scores that nobody has named.
var genericLabel = regexp.MustCompile(`^LABEL_[0-9]+$`)

// labelsOfConfig are the labels of a Hugging Face config.json in the order of their ids, nil where
// it names none.
func labelsOfConfig(b []byte) ([]string, error) {
	var c struct {
		Names map[string]string `json:"id2label"`
		IDs   map[string]int    `json:"label2id"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	if c.Names == nil {
		c.Names = map[string]string{}
		for name, id := range c.IDs {
			if other, ok := c.Names[strconv.Itoa(id)]; ok {
				return nil, fmt.Errorf("label2id gives %s and %s the number %d", other, name, id)
			}
			c.Names[strconv.Itoa(id)] = name
		}
	}
	names := make([]string, len(c.Names))
	generic := true
	for i := range names {
		name, ok := c.Names[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("id2label has %d labels and none for %d", len(names), i)
		}
		names[i], generic = name, generic && genericLabel.MatchString(name)
	}
	if generic {
		return nil, nil
	}
	return names, nil
}
