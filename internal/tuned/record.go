// Package tuned is about the file that a fit writes: the record in its metadata by which it
// predicts and is verified on its own, the proof that frozen weights are untouched, and deltas.
package tuned

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
)

// The keys of metadata_props under which a record is kept.
const (
	keyTask    = "permafrost.task"
	keyLabels  = "permafrost.labels"
	keyPlan    = "permafrost.plan"
	keyVersion = "permafrost.version"
)

// Record is what a tuned file knows about itself.
type Record struct {
	Version    string          // of Permafrost
	Task       string          // classify
	Labels     []string        // names of the classes, in the order of the scores
	Input      string          // the kind of data, see feed.Feed
	Preprocess json.RawMessage // how data become inputs, see feed.Feed.Settings
	Sides      string          // what was settled of the model's inputs, see sideinput.Key; "" for nothing
	Plan       *freeze.Plan    // what was frozen when it was trained
}

// Metadata is the record as metadata_props.
func (r *Record) Metadata() (map[string]string, error) {
	out := map[string]string{keyVersion: r.Version, keyTask: r.Task, feed.KeyKind: r.Input}
	for key, v := range map[string]any{keyLabels: r.Labels, feed.KeySettings: r.Preprocess, keyPlan: r.Plan} {
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

// ReadRecord reads the record from a file's metadata. It errors when there is none or it is
// damaged.
func ReadRecord(metadata map[string]string) (*Record, error) {
	if _, ok := metadata[keyLabels]; !ok {
		return nil, fmt.Errorf("the model carries no record of a fit: it was not written by permafrost fit")
	}
	r := &Record{Version: metadata[keyVersion], Task: metadata[keyTask], Input: cmp.Or(metadata[feed.KeyKind], feed.KindPicture), Sides: metadata[sideinput.Key]}
	for key, to := range map[string]any{keyLabels: &r.Labels, feed.KeySettings: &r.Preprocess, keyPlan: &r.Plan} {
		if err := json.Unmarshal([]byte(metadata[key]), to); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return r, nil
}
