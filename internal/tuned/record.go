// Package tuned deals with the file that a fit writes: the record in its metadata, which is all
// that is needed to predict with it and to verify it, the proof that frozen weights are unchanged,
// and deltas.
package tuned

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
)

// Keys in metadata_props of the parts of a record.
const (
	keyTask    = "permafrost.task"
	keyPlan    = "permafrost.plan"
	keyBases   = "permafrost.bases" // JSON: the plans of earlier fits, see Record.Bases
	keyVersion = "permafrost.version"

	keyTemperature = "permafrost.temperature"
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

	// Bases are the plans of the fits that made the base of Plan, the first one first. Each holds the
	// digest of its own base, so the file can be verified against every one of them.
	Bases []*freeze.Plan

	// Temperature divides the scores that the file gives. It is 1 where the weights of a new head
	// contain it.
	Temperature float64
}

// Chain returns the plans of all fits that made the file, the first one first.
func (r *Record) Chain() []*freeze.Plan { return append(slices.Clone(r.Bases), r.Plan) }

// ChainOf returns the plans of all fits that made a file with these metadata, nil for one that was
// not tuned.
func ChainOf(metadata map[string]string) ([]*freeze.Plan, error) {
	if !Tuned(metadata) {
		return nil, nil
	}
	r, err := ReadRecord(metadata)
	if err != nil {
		return nil, err
	}
	return r.Chain(), nil
}

// Metadata returns the record as metadata_props.
func (r *Record) Metadata() (map[string]string, error) {
	out := map[string]string{keyVersion: r.Version, keyTask: r.Task, feed.KeyKind: r.Input, keyTemperature: fmt.Sprint(cmp.Or(r.Temperature, 1))}
	parts := map[string]any{feed.KeyLabels: r.Labels, feed.KeySettings: r.Preprocess, keyPlan: r.Plan}
	if len(r.Bases) > 0 {
		parts[keyBases] = r.Bases
	}
	for key, v := range parts {
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
	r.Temperature = 1
	if t, ok := metadata[keyTemperature]; ok {
		var err error
		if r.Temperature, err = strconv.ParseFloat(t, 64); err != nil || !(r.Temperature > 0) || math.IsInf(r.Temperature, 0) {
			return nil, fmt.Errorf("%s: %q is no positive number", keyTemperature, t)
		}
	}
	parts := map[string]any{feed.KeyLabels: &r.Labels, feed.KeySettings: &r.Preprocess, keyPlan: &r.Plan}
	if _, ok := metadata[keyBases]; ok {
		parts[keyBases] = &r.Bases
	}
	for key, to := range parts {
		if err := json.Unmarshal([]byte(metadata[key]), to); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return r, nil
}
