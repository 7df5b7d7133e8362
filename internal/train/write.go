package train

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// write leaves the tuned model, the thawed tensors alone and the seal in the run directory. It returns
// the model's size in bytes.
func (f *fitter) write(after map[string]string) (int64, error) {
	for name, d := range f.session.digests {
		if after[name] != d {
			return 0, fmt.Errorf("train: frozen weight %q changed during training: nothing was written", name)
		}
	}
	if f.session.stage.schedule != nil { // what trained, which may be less than what might have
		plan, err := f.session.planJSON()
		if err != nil {
			return 0, err
		}
		if err := f.dir.WriteFile(PlanFile, append(plan, '\n')); err != nil {
			return 0, err
		}
	}
	patch, changed, err := f.session.Patch()
	if err != nil {
		return 0, err
	}
	path := f.dir.File(ModelFile)
	if err := f.session.Base.Model.WriteFile(path, patch); err != nil {
		return 0, err
	}
	trained := map[string]*tensor.Tensor{}
	for name, t := range changed {
		if p := f.session.Base.Model.Param(name); p != nil && f.session.Plan.Of(name).State == freeze.Partly {
			tuned.PutSparse(trained, name, p.Tensor, t)
		} else {
			trained[name] = t
		}
	}
	err = atomicfile.Write(f.dir.File(DeltaFile), func(w io.Writer) error {
		return safetensors.Write(w, safetensors.File{Tensors: trained, Metadata: map[string]string{"permafrost.base": f.session.Plan.Model}})
	})
	if err != nil {
		return 0, err
	}
	seal, err := json.MarshalIndent(freeze.Seal{Before: freeze.Total(f.session.digests), After: freeze.Total(after), Frozen: f.session.digests}, "", "  ")
	if err != nil {
		return 0, err
	}
	if err := f.dir.WriteFile(SealFile, append(seal, '\n')); err != nil {
		return 0, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Patch describes how the tuned file differs from the base: new contents of what trained, the new head
// in place of what it replaces, adapters beside their layers or merged into them, and the record in the metadata. It also returns the changed and added
// tensors by name. Standardisation is folded into the head's weights.
func (s *Session) Patch() (*onnx.Patch, map[string]*tensor.Tensor, error) {
	p := &onnx.Patch{Tensors: map[string]*tensor.Tensor{}}
	changed := map[string]*tensor.Tensor{}
	for _, w := range s.Set.Weights {
		if s.Plan.Of(w.Name).State != freeze.Frozen {
			changed[w.Name] = w.Value.Data
			if !slices.Contains(s.Headed.fresh(), w.Name) {
				p.Tensors[w.Name] = w.Value.Data
			}
		}
	}
	if s.Headed.Fresh {
		s.foldHead(changed)
		s.foldAnswers(changed)
	}
	h := s.Headed
	if h.Adapters != nil && s.Config.AdapterMerge {
		if err := s.mergeAdapters(p, changed); err != nil {
			return nil, nil, err
		}
		h = h.bare
	}
	s.splice(p, h, changed)
	record := tuned.Record{Version: Version, Task: s.Task.Name(), Labels: s.Task.Names(), Input: s.Base.Feed.Kind(), Plan: s.Plan}
	var err error
	if record.Preprocess, err = s.Base.Feed.Settings(); err != nil {
		return nil, nil, err
	}
	if p.Metadata, err = record.Metadata(); err != nil {
		return nil, nil, err
	}
	return s.Base.prepend(p), changed, nil
}

// foldHead replaces the first layer of the head in changed by one that reads features as they are.
func (s *Session) foldHead(changed map[string]*tensor.Tensor) {
	if s.Net.Norm == nil {
		return
	}
	weight, bias := s.Headed.Weights[0], s.Headed.Weights[1]
	w, b := changed[weight].Clone(), changed[bias].Clone()
	s.Net.Norm.Fold(w.F32(), b.F32())
	changed[weight], changed[bias] = w, b
}
