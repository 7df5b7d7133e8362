package permafrost

import "github.com/permafrost-ml/permafrost/internal/tuned"

// Verification says which frozen tensors of a tuned model differ from its base's. Its JSON form is
// what verify --json prints.
type Verification struct {
	Identical bool     `json:"identical"` // every frozen tensor has its bytes unchanged
	Changed   []string `json:"changed"`   // frozen tensors that are not as they were, or are gone
	Added     []string `json:"added"`     // weights that the base does not have
	Frozen    int      `json:"frozen"`    // frozen tensors compared

	Thawed  []string `json:"thawed"`  // tensors that the plan let change and that did
	Removed []string `json:"removed"` // weights of the base that a new head replaced
}

// Verify compares a tuned model with its base, byte by byte: every tensor that the plan calls
// frozen must be unchanged. Plan is a plan.json, or empty for the plan that the tuned file carries.
// A change is no error; a file that cannot be read, and a plan of another model, are.
func Verify(base, tunedFile, plan string) (*Verification, error) {
	v, err := tuned.Verify(base, tunedFile, plan)
	return (*Verification)(v), badInput(err)
}

// ExtractDelta writes what a tuned model has that its base has not to the file delta, and returns
// how many tensors these are.
func ExtractDelta(base, tunedFile, delta string) (tensors int, err error) {
	f, err := tuned.Extract(base, tunedFile, delta)
	if err != nil {
		return 0, badInput(err)
	}
	tensors = -1 // the graph's skeleton is none
	for name := range f.Tensors {
		if !tuned.HalfOfSparse(name) {
			tensors++
		}
	}
	return tensors, nil
}

// ApplyDelta writes the tuned model that a delta was made from, bit for bit. It errors where the
// delta belongs to another base.
func ApplyDelta(base, delta, tunedFile string) error {
	return badInput(tuned.Apply(base, delta, tunedFile))
}
