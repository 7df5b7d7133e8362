package fed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Kit is what every client needs once: the model, what trains of it, and how. It says what a client's
// own model and plan must be, by digest.
type Kit struct {
	Options  string          `json:"options"`            // YAML of the options of training, without paths
	Model    string          `json:"model"`              // digest of the pretrained file
	Files    Blob            `json:"files,omitzero"`     // the model with the files beside it, for those who lack it
	Name     string          `json:"name,omitempty"`     // of the model's file among them
	Feed     string          `json:"feed"`               // digest of how examples are prepared
	Task     string          `json:"task"`               // as in the option task
	Classes  []string        `json:"classes,omitempty"`  // in the order of the scores
	Standard *split.Standard `json:"standard,omitempty"` // of the features that a fresh head reads
	Place    []string        `json:"place,omitempty"`    // what a fresh head reads, see run.Session.Place
	Layout   string          `json:"layout"`             // digest of the vector's parts
	Start    string          `json:"start"`              // digest of the vector before the first round
	Seed     uint64          `json:"seed"`
	Epochs   int             `json:"epochs"` // of a client in a round

	Compress   string  `json:"compress"`
	Prox       float64 `json:"prox,omitempty"`
	Statistics string  `json:"statistics"`
	Clip       float64 `json:"clip,omitempty"`  // length of a change at most, 0 for any
	Noise      float64 `json:"noise,omitempty"` // deviation of a client's own noise
	Seeded     bool    `json:"seeded,omitempty"`
	Limit      float64 `json:"limit,omitempty"` // of a number, in secure sums
	Components int     `json:"components,omitempty"`
}

// layoutOf is a digest of what the vector of a Local means.
func layoutOf(l *run.Local) string {
	b, err := json.Marshal(l.Pieces())
	if err != nil {
		panic(err)
	}
	return digestOf(b)
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// FeedOf is a digest of how a session prepares examples.
func FeedOf(s *run.Session) string {
	sum := s.Base.Feed.Digest()
	return hex.EncodeToString(sum[:])
}

// Check errors where a Local that was just made is not that of the kit.
func (k *Kit) Check(l *run.Local) error {
	s := l.Session()
	for _, d := range []struct{ what, here, there string }{
		{"base model", s.Base.Model.Digest(), k.Model},
		{"way to prepare examples", FeedOf(s), k.Feed},
		{"plan", layoutOf(l), k.Layout},
		{"start", digestOf(floats(l.Weights())), k.Start},
	} {
		if d.here != d.there {
			return fmt.Errorf("the %s here (%.12s) is another than that of the federation (%.12s)", d.what, d.here, d.there)
		}
	}
	return nil
}
