package run

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tuned"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// write writes the tuned model, its delta, the files beside it and the seal to the run directory. It
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
	patch, err := f.session.patch()
	if err != nil {
		return 0, err
	}
	path := f.dir.File(ModelFile)
	var layout *onnx.Layout
	var errs [2]error
	kernel.Parallel(2, func(i int) { // digesting what is written takes as long as writing it
		if i == 0 {
			errs[i] = f.session.Base.Model.WriteFile(path, patch)
		} else {
			layout, errs[i] = f.session.Base.Model.PatchedLayout(patch)
		}
	})
	if err := cmp.Or(errs[0], errs[1]); err != nil {
		return 0, err
	}
	if err := tuned.WriteDelta(f.session.Base.Model, patch, layout, path, f.dir.File(DeltaFile)); err != nil {
		return 0, err
	}
	if err := f.writePEFT(patch); err != nil {
		return 0, err
	}
	if err := f.writeBeside(); err != nil {
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

// writeBeside writes what the tuned model's record says of labels and preparation as files, for
// programs that do not read it.
func (f *loop) writeBeside() error {
	files, err := feed.Beside(f.session.Base.Feed)
	if err != nil {
		return err
	}
	if names := task.ScoreNames(f.session.Task); len(names) > 0 {
		var b strings.Builder
		for _, name := range names {
			b.WriteString(strings.ReplaceAll(name, "\n", " ") + "\n")
		}
		if files == nil {
			files = map[string][]byte{}
		}
		files[LabelsFile] = []byte(b.String())
	}
	for name, b := range files {
		if err := f.dir.WriteFile(name, b); err != nil {
			return err
		}
	}
	return nil
}

// patch describes how the tuned file differs from the base, with the record in its metadata. See
// Network.Patch.
func (s *Session) patch() (*onnx.Patch, error) {
	p, err := s.Net.Patch(s.Plans.Ever, s.Config.AdapterMerge, s.temperature)
	if err != nil {
		return nil, err
	}
	record := tuned.Record{Version: version.Version, Task: s.Task.Name(), Labels: s.Task.Names(), Input: s.Base.Feed.Kind(), Sides: s.Base.Sides, Plan: s.Plans.Ever}
	if record.Bases, err = tuned.ChainOf(s.Base.Model.Metadata); err != nil {
		return nil, err
	}
	if !s.Net.Headed.Fresh {
		record.Temperature = s.temperature
	}
	if record.Preprocess, err = s.Base.Feed.Settings(); err != nil {
		return nil, err
	}
	p.Metadata, err = record.Metadata()
	return p, err
}
