package tuned

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Verification is the result of verify.
type Verification struct {
	Identical bool     // nothing that is frozen differs: neither tensors nor the graph
	Changed   []string // frozen tensors that differ or are missing
	Graph     []string // what the tuned file keeps of the base's graph and differs, such as a node, with what differs
	Added     []string // weights that the base lacks
	Frozen    int      // number of frozen tensors compared, among them quantised weights, scales and shapes
	Nodes     int      // number of nodes compared
	Partly    int      // number of these of which only some elements are frozen

	Thawed  []string // tensors that the plans let change and that did change
	Removed []string // weights of the base that a new head replaced, or that belong to what was left out

	Stages []Stage // the fits between the base and the tuned file, the first one first
}

// Stage is one of several fits after another.
type Stage struct {
	Base    string   // digest of its base
	Thaw    []string // selectors of its plan
	Adapter string   // kind of adapter that it trained, "" for none
	Merged  bool     // the adapter became part of the weights beside it
	Cut     string   // the block behind which it cut its base, "" for none
	Skip    []string // blocks that it left out before it
	Trained []string // changed tensors of the first base that its plan let change
}

// Verify compares a tuned file with a base: every tensor that is frozen in the plans of all fits
// between them must have the same bytes, and so must every other tensor and every node that the
// tuned file keeps. The plans are those of the tuned file's record, or the one in the plan file.
// Nodes may differ where the fits put adapters, made the batch free or set evaluation mode, and
// those of blocks that the plans leave out are gone, but nothing else of them may differ. It errors if a file cannot be read, or if no plan belongs to the base.
func Verify(base, tunedFile, planFile string) (*Verification, error) {
	b, err := onnx.Open(base)
	if err != nil {
		return nil, err
	}
	t, err := onnx.Open(tunedFile)
	if err != nil {
		return nil, err
	}
	var chain []*freeze.Plan
	var r *Record
	if planFile != "" {
		raw, err := os.ReadFile(planFile)
		if err != nil {
			return nil, err
		}
		var plan *freeze.Plan
		if err := json.Unmarshal(raw, &plan); err != nil || len(plan.Params) == 0 {
			return nil, fmt.Errorf("%s: not a plan: give the plan.json of a run", planFile)
		}
		chain = append(chain, plan)
		if Tuned(t.Metadata) {
			if r, err = ReadRecord(t.Metadata); err != nil {
				return nil, fmt.Errorf("%s: %w", tunedFile, err)
			}
		}
	} else {
		if r, err = ReadRecord(t.Metadata); err != nil {
			return nil, fmt.Errorf("%s: %w; name its plan with option plan", tunedFile, err)
		}
		chain = r.Chain()
	}
	first := slices.IndexFunc(chain, func(p *freeze.Plan) bool { return p.Model == b.Digest() })
	if first < 0 {
		var bases []string
		for _, p := range slices.Backward(chain) {
			bases = append(bases, fmt.Sprintf("%.12s", p.Model))
		}
		return nil, fmt.Errorf("the plan was made for another model than %s (sha256 %s, here %.12s)", base, strings.Join(bases, ", before it "), b.Digest())
	}
	v := compare(b, t, chain[first:])
	d := keptOf(settled(b, r, chain[first:]), t, chain[first:])
	v.Changed = append(v.Changed, d.Tensors...)
	slices.Sort(v.Changed)
	v.Graph = append([]string{}, d.Graph...)
	v.Frozen += d.ComparedTensors
	v.Nodes = d.ComparedNodes
	v.Identical = len(v.Changed)+len(v.Graph) == 0
	return v, nil
}

// compare compares a tuned file with a base by the plans of the fits between them.
func compare(base, t *onnx.Model, chain []*freeze.Plan) *Verification {
	v := &Verification{Changed: []string{}, Added: []string{}, Thawed: []string{}, Removed: []string{}}
	theirs := map[string]*tensor.Tensor{}
	for _, p := range t.Params {
		theirs[p.Name] = p.Tensor
	}
	known := make([]map[string]bool, len(chain))
	for i, plan := range chain {
		known[i] = map[string]bool{}
		for _, e := range plan.Params {
			known[i][e.Name] = true
		}
		stage := Stage{Base: plan.Model, Thaw: plan.Thaw, Adapter: plan.Adapter, Merged: plan.Merged, Cut: plan.Cut, Trained: []string{}}
		for _, b := range plan.Skip {
			stage.Skip = append(stage.Skip, b.Block)
		}
		v.Stages = append(v.Stages, stage)
	}
	for _, p := range base.Params {
		was, is := p.Tensor, theirs[p.Name]
		// not in one of the plans: it belonged to the head that was replaced there
		at := slices.IndexFunc(known, func(in map[string]bool) bool { return !in[p.Name] })
		replaced := at >= 0
		anew := replaced && slices.ContainsFunc(known[at:], func(in map[string]bool) bool { return in[p.Name] })
		whole, mask := frozenIn(chain, p.Name, was.Shape)
		same := is != nil && string(was.Bytes) == string(is.Bytes)
		switch {
		case is == nil && replaced:
			v.Removed = append(v.Removed, p.Name)
		case is == nil:
			v.Changed = append(v.Changed, p.Name)
		case anew && !same: // a later head has a weight of the same name
			v.Removed, v.Added = append(v.Removed, p.Name), append(v.Added, p.Name)
		case whole || mask != nil:
			v.Frozen++
			if mask != nil {
				v.Partly++
			}
			if !sameFrozen(was, is, mask) {
				v.Changed = append(v.Changed, p.Name)
			} else if !same {
				v.changed(chain, p.Name)
			}
		case !same:
			v.changed(chain, p.Name)
		}
		delete(theirs, p.Name)
	}
	for _, p := range t.Params {
		if theirs[p.Name] != nil {
			v.Added = append(v.Added, p.Name)
		}
	}
	return v
}

// changed records a tensor that changed as its plans allow.
func (v *Verification) changed(chain []*freeze.Plan, name string) {
	v.Thawed = append(v.Thawed, name)
	for i, plan := range chain {
		if plan.Of(name).State != freeze.Frozen {
			v.Stages[i].Trained = append(v.Stages[i].Trained, name)
		}
	}
}

// frozenIn reports whether a tensor is frozen in all plans, or returns the mask of its elements
// that train in at least one, nil if all may.
func frozenIn(chain []*freeze.Plan, name string, shape tensor.Shape) (whole bool, mask []uint8) {
	for _, plan := range chain {
		e := plan.Of(name)
		switch e.State {
		case freeze.Frozen:
		case freeze.Partly:
			m := e.ElementMask(shape)
			if mask == nil {
				mask = make([]uint8, len(m))
			}
			for i, trains := range m {
				mask[i] = max(mask[i], trains)
			}
		default:
			return false, nil
		}
	}
	return mask == nil, mask
}

// sameFrozen compares the elements of a tensor that do not train: all if there is no mask.
func sameFrozen(a, b *tensor.Tensor, mask []uint8) bool {
	if a.DType != b.DType || !a.Shape.Equal(b.Shape) {
		return false
	}
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
