package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// Verification says what of a tuned model differs from its base and must not. Its JSON form is
// what verify --json prints.
type Verification struct {
	Identical bool     `json:"identical"` // Changed and Graph are empty
	Changed   []string `json:"changed"`   // frozen tensors that differ or are missing
	Graph     []string `json:"graph"`     // nodes, inputs and outputs that the fit did not change and that differ, each with what differs
	Added     []string `json:"added"`     // weights that the base lacks
	Frozen    int      `json:"frozen"`    // frozen tensors compared, among them quantised weights, scales and shapes
	Nodes     int      `json:"nodes"`     // nodes compared
	Partly    int      `json:"partly"`    // of these, tensors of which only some elements are frozen

	Thawed  []string `json:"thawed"`  // tensors that the plan let change and that did change
	Removed []string `json:"removed"` // weights of the base that a new head replaced

	// Fits are those between the base and the tuned model, the first one first: several, if a tuned
	// model was tuned again and base is not its direct one.
	Fits []VerifiedFit `json:"fits"`
}

// VerifiedFit is one of several fits after another.
type VerifiedFit struct {
	Base    string   `json:"base"`                     // SHA-256 of the file that it began with
	Thaw    []string `json:"thaw"`                     // selectors of its plan
	Adapter string   `json:"adapter,omitempty"`        // kind of adapter that it trained
	Merged  bool     `json:"adapter_merged,omitempty"` // the adapter became part of the weights beside it
	Cut     string   `json:"cut,omitempty"`            // the block behind which it cut its base
	Skip    []string `json:"skip,omitempty"`           // blocks that it left out before it
	Trained []string `json:"trained"`                  // tensors of the first base that its plan let change and that did change
}

// Verify compares a tuned model with its base, byte by byte: every tensor that the plan declares
// frozen must be unchanged, and so must everything else that the fit took over: constants, quantised
// weights, and the nodes with their operators, attributes and wiring. plan is a plan.json, or empty for the plan in the tuned file. If a tuned
// model was tuned again, base may also be an earlier one of its bases: then a tensor is frozen if
// the plans of all fits since freeze it. A change is not an error. It errors if a file cannot be read, or if the plan belongs to another model.
func Verify(base, tunedFile, plan string) (*Verification, error) {
	if err := fetched(context.Background(), nil, &base, &tunedFile); err != nil {
		return nil, err
	}
	v, err := tuned.Verify(base, tunedFile, plan)
	if err != nil {
		return nil, badInput(err)
	}
	return &Verification{
		Identical: v.Identical, Changed: v.Changed, Graph: v.Graph, Added: v.Added, Frozen: v.Frozen, Nodes: v.Nodes, Partly: v.Partly, Thawed: v.Thawed, Removed: v.Removed,
		Fits: each(v.Stages, func(s tuned.Stage) VerifiedFit { return VerifiedFit(s) }),
	}, nil
}

// ExtractDelta writes what a tuned model has in addition to its base to the file delta, and returns
// the number of tensors in it.
func ExtractDelta(base, tunedFile, delta string) (tensors int, err error) {
	if err := writable(delta, ".safetensors", "a delta", base, tunedFile); err != nil {
		return 0, err
	}
	if err := fetched(context.Background(), nil, &base, &tunedFile); err != nil {
		return 0, err
	}
	f, err := tuned.Extract(base, tunedFile, delta)
	if err != nil {
		return 0, badInput(err)
	}
	tensors = -1 // do not count the graph's skeleton
	for name := range f.Tensors {
		if !tuned.HalfOfSparse(name) {
			tensors++
		}
	}
	return tensors, nil
}

// ApplyDelta rebuilds, bit for bit, the tuned model from which a delta was made. It errors if the
// delta belongs to another base.
func ApplyDelta(base, delta, tunedFile string) error {
	if err := writable(tunedFile, ".onnx", "an ONNX file", base, delta); err != nil {
		return err
	}
	if err := fetched(context.Background(), nil, &base, &delta); err != nil {
		return err
	}
	return badInput(tuned.Apply(base, delta, tunedFile))
}
