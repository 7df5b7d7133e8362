// Package facts gathers what the report of a fit shows beside its events: the blocks of the network,
// what the fit costs and what full fine-tuning would, and the worst mistakes.
//
// In: the session of a fit that has ended. Out: the file report.json in its run folder, from which
// the page is drawn without the model and the data. Gathering takes well under a second.
package facts

import (
	"encoding/json"
	"io/fs"

	"github.com/permafrost-ml/permafrost/internal/run"
)

// Facts is what is known of a fit beside its events.
type Facts struct {
	Blocks   []Block  `json:"blocks"`             // from the input to the head
	Frontier []string `json:"frontier,omitempty"` // values where the frozen part ends

	Plan *Cost `json:"plan,omitempty"` // predicted for the fit's own options; nil if it was not predicted
	Full *Cost `json:"full,omitempty"` // predicted where all weights train; likewise

	Mistakes      []Mistake `json:"mistakes,omitempty"` // the worst, the worst first
	MistakesCount int       `json:"mistakes_count"`     // of all validation examples
	Judged        bool      `json:"judged"`             // mistakes were looked for

	Notes []string `json:"notes,omitempty"` // what could not be found out, and why
}

// Block is a part of the network: a repeated block, the head, or the layers between two of these.
type Block struct {
	Name   string   `json:"name"`
	Layers []Layer  `json:"layers"`
	Tensor []string `json:"tensors"` // names of its weights
	Params int      `json:"params"`
	Thawed int      `json:"params_thawed"` // in any stage
	FLOPs  int64    `json:"flops"`         // of one example's forward pass
	Live   bool     `json:"live"`          // it is behind the frontier: it runs in every step
}

// Layer is a layer of a block.
type Layer struct {
	Name   string `json:"name"`
	Op     string `json:"op"`
	Params int    `json:"params"`
	State  string `json:"state"` // frozen, thawed, partly or tracking
}

// Cost is what a fit is predicted to cost on the machine that it ran on.
type Cost struct {
	First      float64 `json:"first_epoch_seconds"` // from the start of the fit on, with the frozen part, whose values are then kept
	Later      float64 `json:"later_epoch_seconds"`
	Memory     int64   `json:"train_bytes"` // weights, gradients, optimiser state and activations
	Checkpoint int64   `json:"checkpoint_bytes"`
	Kept       int64   `json:"kept_bytes"` // frozen values of all examples
}

// Mistake is a validation example with a wrong answer.
type Mistake struct {
	Input            string   `json:"input"`          // path of a file below its data, or of a table with the line
	Text             string   `json:"text,omitempty"` // of a row of texts
	Label            string   `json:"label"`
	Predicted        string   `json:"predicted"`
	Loss             *float64 `json:"loss"` // null: not finite
	LabelProbability *float64 `json:"label_probability,omitempty"`
	Probability      *float64 `json:"probability,omitempty"`
	Residual         *float64 `json:"residual,omitempty"`
	ErrorRate        *float64 `json:"error_rate,omitempty"`

	MIME    string `json:"mime,omitempty"`    // of the preview: image/png, image/jpeg or audio/wav
	Preview []byte `json:"preview,omitempty"` // a small picture, or a short sound
}

// Read reads the facts of a run folder. It errors with fs.ErrNotExist where there are none.
func Read(dir fs.FS) (*Facts, error) {
	b, err := fs.ReadFile(dir, run.FactsFile)
	if err != nil {
		return nil, err
	}
	f := &Facts{}
	return f, json.Unmarshal(b, f)
}

// Write writes the facts into a run folder.
func (f *Facts) Write(dir *run.RunDir) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return dir.WriteFile(run.FactsFile, append(b, '\n'))
}
