package tuned

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Verification is the result of verify.
type Verification struct {
	Identical bool     // the bytes of every frozen tensor are unchanged
	Changed   []string // frozen tensors that differ or are missing
	Added     []string // weights that the base lacks
	Frozen    int      // number of frozen tensors compared
	Partly    int      // number of these of which only some elements are frozen

	Thawed  []string // tensors that the plan let change and that did change
	Removed []string // weights of the base that a new head replaced
}

// Verify compares a tuned file with its base: every tensor that the plan declares frozen must have
// the same bytes. Without a plan file, the plan in the tuned file's record is used. It errors if a
// file cannot be read, or if the plan belongs to another model.
func Verify(base, tunedFile, planFile string) (*Verification, error) {
	b, err := onnx.Open(base)
	if err != nil {
		return nil, err
	}
	t, err := onnx.Open(tunedFile)
	if err != nil {
		return nil, err
	}
	var plan *freeze.Plan
	if planFile != "" {
		raw, err := os.ReadFile(planFile)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &plan); err != nil || len(plan.Params) == 0 {
			return nil, fmt.Errorf("%s: not a plan: give the plan.json of a run", planFile)
		}
	} else {
		r, err := ReadRecord(t.Metadata)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; name its plan with option plan", tunedFile, err)
		}
		plan = r.Plan
	}
	if plan.Model != b.Digest() {
		return nil, fmt.Errorf("the plan was made for another model than %s (sha256 %.12s, here %.12s)", base, plan.Model, b.Digest())
	}
	return compare(b, t, plan), nil
}

func compare(base, t *onnx.Model, plan *freeze.Plan) *Verification {
	v := &Verification{Changed: []string{}, Added: []string{}, Thawed: []string{}, Removed: []string{}}
	theirs := map[string]*tensor.Tensor{}
	for _, p := range t.Params {
		theirs[p.Name] = p.Tensor
	}
	known := map[string]bool{}
	for _, e := range plan.Params {
		known[e.Name] = true
	}
	for _, p := range base.Params {
		was, is := p.Tensor, theirs[p.Name]
		e := plan.Of(p.Name)
		switch {
		case is == nil && !known[p.Name]: // not in the plan: it belonged to the replaced head
			v.Removed = append(v.Removed, p.Name)
		case is == nil:
			v.Changed = append(v.Changed, p.Name)
		case e.State == freeze.Frozen || e.State == freeze.Partly:
			v.Frozen++
			if !sameFrozen(was, is, e) {
				v.Changed = append(v.Changed, p.Name)
			}
			if e.State == freeze.Partly {
				v.Partly++
			}
			if e.State == freeze.Partly && string(was.Bytes) != string(is.Bytes) {
				v.Thawed = append(v.Thawed, p.Name)
			}
		case string(was.Bytes) != string(is.Bytes):
			v.Thawed = append(v.Thawed, p.Name)
		}
		delete(theirs, p.Name)
	}
	for _, p := range t.Params {
		if theirs[p.Name] != nil {
			v.Added = append(v.Added, p.Name)
		}
	}
	slices.Sort(v.Changed)
	v.Identical = len(v.Changed) == 0
	return v
}

// sameFrozen compares the elements of a tensor that do not train.
func sameFrozen(a, b *tensor.Tensor, e freeze.Entry) bool {
	if a.DType != b.DType || !a.Shape.Equal(b.Shape) {
		return false
	}
	mask := e.ElementMask(a.Shape)
	if mask == nil {
		return string(a.Bytes) == string(b.Bytes)
	}
	size := a.DType.Size()
	for i, trains := range mask {
		if trains == 0 && string(a.Bytes[i*size:(i+1)*size]) != string(b.Bytes[i*size:(i+1)*size]) {
			return false
		}
	}
	return true
}
