package train

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// write leaves the tuned model, the thawed tensors alone and the seal in the run directory. It returns
// the model's size in bytes.
func (f *fitter) write(after map[string]string) (int64, error) {
	for name, d := range f.digests {
		if after[name] != d {
			return 0, fmt.Errorf("train: frozen weight %q changed during training: nothing was written", name)
		}
	}
	if f.schedule != nil { // what trained, which may be less than what might have
		plan, err := f.planJSON()
		if err != nil {
			return 0, err
		}
		if err := f.dir.WriteFile(PlanFile, append(plan, '\n')); err != nil {
			return 0, err
		}
	}
	patch, changed, err := f.Patch()
	if err != nil {
		return 0, err
	}
	path := f.dir.File(ModelFile)
	if err := f.Base.Model.WriteFile(path, patch); err != nil {
		return 0, err
	}
	err = atomicfile.Write(f.dir.File(DeltaFile), func(w io.Writer) error {
		return safetensors.Write(w, safetensors.File{Tensors: changed, Metadata: map[string]string{"permafrost.base": f.Plan.Model}})
	})
	if err != nil {
		return 0, err
	}
	seal, err := json.MarshalIndent(freeze.Seal{Before: freeze.Total(f.digests), After: freeze.Total(after), Frozen: f.digests}, "", "  ")
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
// in place of what it replaces, and the record in the metadata. It also returns the changed and added
// tensors by name. Standardisation is folded into the head's weights.
func (s *Session) Patch() (*onnx.Patch, map[string]*tensor.Tensor, error) {
	p := &onnx.Patch{Tensors: map[string]*tensor.Tensor{}}
	changed := map[string]*tensor.Tensor{}
	fresh := map[string]bool{}
	if s.Headed.Fresh {
		for _, name := range s.Headed.Weights {
			fresh[name] = true
		}
	}
	for _, w := range s.Set.Weights {
		if s.Plan.Of(w.Name).State != freeze.Frozen {
			changed[w.Name] = w.Value.Data
			if !fresh[w.Name] {
				p.Tensors[w.Name] = w.Value.Data
			}
		}
	}
	if s.Headed.Fresh {
		s.foldHead(changed)
		s.foldAnswers(changed)
		s.splice(p, changed)
	}
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

// splice puts the new head's nodes into the patch and takes out what it leaves without a reader.
func (s *Session) splice(p *onnx.Patch, changed map[string]*tensor.Tensor) {
	isNew := map[*ir.Node]bool{}
	for _, n := range s.Headed.New {
		isNew[n] = true
		add := &onnx.Node{Name: n.Name, Op: n.Op, Attrs: n.Attrs}
		for _, v := range n.Inputs {
			add.Inputs = append(add.Inputs, v.Name)
			if v.Kind == ir.Const {
				p.AddInitializers = append(p.AddInitializers, onnx.Initializer{Name: v.Name, Tensor: v.Data})
			}
		}
		for _, v := range n.Outputs {
			add.Outputs = append(add.Outputs, v.Name)
		}
		p.AddNodes = append(p.AddNodes, add)
	}
	for _, name := range s.Headed.Weights {
		p.AddInitializers = append(p.AddInitializers, onnx.Initializer{Name: name, Tensor: changed[name]})
	}
	kept := map[string]bool{}
	for _, n := range s.Headed.Graph.Nodes {
		for _, v := range n.Outputs {
			if v != nil && !isNew[n] {
				kept[v.Name] = true
			}
		}
	}
	used := map[string]bool{}
	for _, w := range s.Set.Weights {
		used[w.Name] = true
	}
	for _, n := range s.Base.Model.Graph.Nodes {
		out := firstOutput(n)
		if out != "" && !kept[out] {
			p.RemoveNodes = append(p.RemoveNodes, out)
			for _, v := range n.Outputs {
				if v != nil {
					p.DropValueInfos = append(p.DropValueInfos, v.Name)
				}
			}
		}
	}
	for _, w := range s.Base.Model.Params {
		if !used[w.Name] && w.Initializer >= 0 {
			p.RemoveInitializers = append(p.RemoveInitializers, w.Name)
		}
	}
	out := s.Headed.Graph.Outputs[0]
	p.DropValueInfos = append(p.DropValueInfos, out.Name)
	batch := "batch"
	if in := s.Base.Model.Inputs[0]; len(in.Dims) > 0 && in.Dims[0] != "" {
		batch = in.Dims[0]
	}
	p.Outputs = []onnx.ValueInfo{{Name: out.Name, DType: tensor.Float32, Shape: tensor.Shape{-1, s.Task.Scores()}, Dims: []string{batch, ""}}}
}

func firstOutput(n *ir.Node) string {
	for _, v := range n.Outputs {
		if v != nil {
			return v.Name
		}
	}
	return ""
}
