package feed

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// KeyLabels is the key of a tuned file's metadata_props that names its scores: a JSON array.
const KeyLabels = "permafrost.labels"

// ModelClasses are the names of a model's own scores: as a tuned file's record has them, else as
// id2label or label2id of the config.json beside the model (MODEL-without-.onnx + .config.json, or
// config.json) say, else as the lines of a list of labels (MODEL-without-.onnx + .labels.txt, or
// labels.txt). There are none where none is there or the names say nothing, as LABEL_0. It errors
// on a file that does not name every score once.
func ModelClasses(m *onnx.Model) (*data.Own, error) {
	if text, ok := m.Metadata[KeyLabels]; ok {
		own := &data.Own{From: "the tuned model"}
		if err := json.Unmarshal([]byte(text), &own.Names); err != nil {
			return nil, fmt.Errorf("%s: %w", KeyLabels, err)
		}
		return own, nil
	}
	own := &data.Own{}
	for _, file := range []struct {
		ending, name string
		read         func([]byte, *data.Own) error
	}{{".config.json", "config.json", labelsOfConfig}, {".labels.txt", "labels.txt", labelsOfList}} {
		path := besideModel(m.Path, file.ending, file.name)
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := file.read(b, own); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if own.Names != nil {
			own.From = filepath.Base(path)
			return own, nil
		}
	}
	return own, nil
}

// labelsOfList reads labels, one a line in the order of the scores.
func labelsOfList(b []byte, own *data.Own) error {
	seen := map[string]int{}
	for line := range strings.Lines(strings.TrimPrefix(string(b), "\ufeff")) {
		name := strings.TrimSpace(line)
		if name == "" {
			continue
		}
		own.Names = append(own.Names, name)
		if first, again := seen[name]; again {
			return fmt.Errorf("labels %d and %d are both %s", first, len(own.Names), name)
		}
		seen[name] = len(own.Names)
	}
	return nil
}

// genericLabel is how Hugging Face calls scores that nobody has named.
var genericLabel = regexp.MustCompile(`^LABEL_[0-9]+$`)

// labelsOfConfig reads the labels of a Hugging Face config.json, in the order of their ids, where it
// names any.
func labelsOfConfig(b []byte, own *data.Own) error {
	var c struct {
		Names   map[string]string `json:"id2label"`
		IDs     map[string]int    `json:"label2id"`
		Problem string            `json:"problem_type"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	own.Several = c.Problem == "multi_label_classification"
	if c.Names == nil {
		c.Names = map[string]string{}
		for name, id := range c.IDs {
			if other, ok := c.Names[strconv.Itoa(id)]; ok {
				return fmt.Errorf("label2id gives %s and %s the number %d", other, name, id)
			}
			c.Names[strconv.Itoa(id)] = name
		}
	}
	names := make([]string, len(c.Names))
	generic := true
	for i := range names {
		name, ok := c.Names[strconv.Itoa(i)]
		if !ok {
			return fmt.Errorf("id2label has %d labels and none for %d", len(names), i)
		}
		names[i], generic = name, generic && genericLabel.MatchString(name)
	}
	if !generic {
		own.Names = names
	}
	return nil
}
