// Package tuned deals with the file that a fit writes: the record in its metadata, which is all
// that is needed to predict with it and to verify it, the proof that frozen weights are unchanged,
// and deltas.
package tuned

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
)

// Keys in metadata_props of the parts of a record.
const (
	keyTask    = "permafrost.task"
	keyPlan    = "permafrost.plan"
	keyVersion = "permafrost.version"
)

// Record is what a tuned file says about itself.
type Record struct {
	Version    string          // of Permafrost
	Task       string          // name of the task
	Labels     []string        // names of the scores, such as classes, in order
	Input      string          // kind of data, see feed.Feed
	Preprocess json.RawMessage // how data become inputs, see feed.Feed.Settings
	Sides      string          // what was settled of the model's inputs, see sideinput.Key; "" for nothing
	Plan       *freeze.Plan    // what was frozen when it was trained
}

// Metadata returns the record as metadata_props.
func (r *Record) Metadata() (map[string]string, error) {
	out := map[string]string{keyVersion: r.Version, keyTask: r.Task, feed.KeyKind: r.Input}
	for key, v := range map[string]any{feed.KeyLabels: r.Labels, feed.KeySettings: r.Preprocess, keyPlan: r.Plan} {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("tuned: %s: %w", key, err)
		}
		out[key] = string(b)
	}
	if r.Sides != "" {
		out[sideinput.Key] = r.Sides
	}
	return out, nil
}

// Tuned reports whether a file's metadata have a record.
func Tuned(metadata map[string]string) bool {
	_, ok := metadata[feed.KeyLabels]
	return ok
}

// ReadRecord reads the record from a file's metadata. It errors if there is none or it is damaged.
func ReadRecord(metadata map[string]string) (*Record, error) {
	if !Tuned(metadata) {
		return nil, fmt.Errorf("the model carries no record of a fit: it was not written by permafrost fit")
	}
	r := &Record{Version: metadata[keyVersion], Task: metadata[keyTask], Input: cmp.Or(metadata[feed.KeyKind], feed.KindPicture), Sides: metadata[sideinput.Key]}
	for key, to := range map[string]any{feed.KeyLabels: &r.Labels, feed.KeySettings: &r.Preprocess, keyPlan: &r.Plan} {
		if err := json.Unmarshal([]byte(metadata[key]), to); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return r, nil
}
