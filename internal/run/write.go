package run

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// write writes the tuned model, the thawed tensors (delta) and the seal to the run directory. It
// returns the model's size in bytes.
func (f *loop) write(after map[string]string) (int64, error) {
	for name, d := range f.session.digests {
		if after[name] != d {
			return 0, fmt.Errorf("run: frozen weight %q changed during training: nothing was written", name)
		}
	}
	if f.session.stage.schedule != nil { // what really trained, which may be less than what could
		plan, err := f.session.planJSON()
		if err != nil {
			return 0, err
		}
		if err := f.dir.WriteFile(PlanFile, append(plan, '\n')); err != nil {
			return 0, err
		}
	}
	patch, changed, err := f.session.patch()
	if err != nil {
		return 0, err
	}
	path := f.dir.File(ModelFile)
	if err := f.session.Base.Model.WriteFile(path, patch); err != nil {
		return 0, err
	}
	trained := map[string]*tensor.Tensor{}
	for name, t := range changed {
		if p := f.session.Base.Model.Param(name); p != nil && f.session.Plans.Ever.Of(name).State == freeze.Partly {
			tuned.PutSparse(trained, name, p.Tensor, t)
		} else {
			trained[name] = t
		}
	}
	err = atomicfile.Write(f.dir.File(DeltaFile), func(w io.Writer) error {
		return safetensors.Write(w, safetensors.File{Tensors: trained, Metadata: map[string]string{"permafrost.base": f.session.Plans.Ever.Model}})
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

// patch describes how the tuned file differs from the base, with the record in its metadata. See
// Network.Patch.
func (s *Session) patch() (*onnx.Patch, map[string]*tensor.Tensor, error) {
	p, changed, err := s.Net.Patch(s.Plans.Ever, s.Config.AdapterMerge)
	if err != nil {
		return nil, nil, err
	}
	record := tuned.Record{Version: version.Version, Task: s.Task.Name(), Labels: s.Task.Names(), Input: s.Base.Feed.Kind(), Sides: s.Base.Sides, Plan: s.Plans.Ever}
	if record.Bases, err = tuned.ChainOf(s.Base.Model.Metadata); err != nil {
		return nil, nil, err
	}
	if record.Preprocess, err = s.Base.Feed.Settings(); err != nil {
		return nil, nil, err
	}
	p.Metadata, err = record.Metadata()
	return p, changed, err
}
