package train

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/exec"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// Base is the pretrained model that a fit starts from, ready for batches.
type Base struct {
	Model    *onnx.Model
	Patch    *onnx.Patch // what made its batch free, nil where it was
	Pipeline *data.Pipeline
	Notes    []string // what a user should know: a freed batch, an assumed preprocessing
	input    string   // name of the picture input
}

// OpenBase reads a model, frees its batch where it is fixed at 1, and fits the preprocessing to its
// picture input. Preprocess is a file or preset; "" looks beside the model and else assumes imagenet.
func OpenBase(path, preprocess string) (*Base, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	return NewBase(m, preprocess)
}

// NewBase does the same for a model that has been read.
func NewBase(m *onnx.Model, preprocess string) (*Base, error) {
	b := &Base{Model: m}
	if len(m.Graph.Inputs) == 1 && len(m.Graph.Inputs[0].Type.Shape) > 0 && m.Graph.Inputs[0].Type.Shape[0] > 0 {
		patch, note, err := onnx.FreeBatch(m)
		if err != nil {
			return nil, err
		}
		b.Patch = patch
		b.Notes = append(b.Notes, note)
	}
	in, err := tuned.PictureInput(m)
	if err != nil {
		return nil, err
	}
	p, note, err := b.preprocess(preprocess, in.Channels)
	if err != nil {
		return nil, err
	}
	if note != "" {
		b.Notes = append(b.Notes, note)
	}
	if b.Pipeline, err = p.For(in.Channels, in.Height, in.Width); err != nil {
		return nil, err
	}
	b.input = in.Name
	if b.Patch != nil {
		return b, b.checkBatch()
	}
	return b, nil
}

// preprocess finds how pictures are prepared: as named, as the tuned model says, as a file beside the
// model says, else ImageNet's way.
func (b *Base) preprocess(name string, channels int) (data.Preprocess, string, error) {
	if name != "" {
		p, err := data.LoadPreprocess(name)
		return p, "", err
	}
	if text, ok := b.Model.Metadata["permafrost.preprocess"]; ok {
		p, err := data.ParsePreprocess([]byte(text))
		return p, "", err
	}
	if b.Model.Path != "" {
		if file := data.FindPreprocess(b.Model.Path); file != "" {
			p, err := data.LoadPreprocess(file)
			return p, "", err
		}
	}
	preset := "imagenet"
	if channels == 1 {
		preset = "unit"
	}
	p, _ := data.Preset(preset)
	return p, fmt.Sprintf("no preprocessor file beside the model: assuming the preset %s (--preprocess names another)", preset), nil
}

// checkBatch makes sure that a freed batch keeps examples apart: two examples together must give what
// they give one by one.
func (b *Base) checkBatch() error {
	run := func(x *tensor.Tensor) ([]*tensor.Tensor, error) {
		g, err := exec.Specialise(b.Model.Graph, map[string]tensor.Shape{b.input: x.Shape})
		if err != nil {
			return nil, err
		}
		p, err := exec.Compile(g)
		if err != nil {
			return nil, err
		}
		return p.Run(context.Background(), x)
	}
	x := tensor.New(tensor.Float32, 2, b.Pipeline.Channels, b.Pipeline.Height, b.Pipeline.Width)
	r := randFor(0, purposeInit, 0)
	for i, d := 0, x.F32(); i < len(d); i++ {
		d[i] = r.Float32()
	}
	both, err := run(x)
	if err != nil {
		return fmt.Errorf("the model's batch is fixed at 1 and does not run with 2: %w", err)
	}
	for k := range 2 {
		n := x.Len() / 2
		one, err := run(tensor.Of(x.F32()[k*n:(k+1)*n], append([]int{1}, x.Shape[1:]...)...))
		if err != nil {
			return err
		}
		for i, v := range one {
			size := len(v.Bytes)
			if len(both[i].Bytes) != 2*size {
				return fmt.Errorf("the model's batch is fixed at 1: output %q mixes examples, so it cannot be made free", b.Model.Graph.Outputs[i].Name)
			}
			half := &tensor.Tensor{DType: v.DType, Shape: v.Shape, Bytes: both[i].Bytes[k*size : (k+1)*size]}
			if err := tensor.Close(half, v, tensor.Tolerance{Name: "freed batch", Rel: 1e-3, Abs: 1e-4}); err != nil {
				return fmt.Errorf("the model's batch is fixed at 1 and examples do not stay apart when it is made free: output %q: %w", b.Model.Graph.Outputs[i].Name, err)
			}
		}
	}
	return nil
}

// Shapes gives the model's input shapes for a batch.
func (b *Base) Shapes(batch int) map[string]tensor.Shape {
	p := b.Pipeline
	return map[string]tensor.Shape{b.input: {batch, p.Channels, p.Height, p.Width}}
}

// prepend merges the edits that freed the batch into the edits of a fit.
func (b *Base) prepend(p *onnx.Patch) *onnx.Patch {
	if b.Patch == nil {
		return p
	}
	q := *b.Patch
	if q.Tensors == nil {
		q.Tensors = map[string]*tensor.Tensor{}
	}
	for k, v := range p.Tensors {
		q.Tensors[k] = v
	}
	for name := range q.Tensors { // what the fit takes away needs no new contents
		if slices.Contains(p.RemoveInitializers, name) {
			delete(q.Tensors, name)
		}
	}
	q.AddInitializers = append(slices.Clone(q.AddInitializers), p.AddInitializers...)
	q.RemoveInitializers = append(slices.Clone(q.RemoveInitializers), p.RemoveInitializers...)
	q.AddNodes = append(slices.Clone(q.AddNodes), p.AddNodes...)
	q.RemoveNodes = append(slices.Clone(q.RemoveNodes), p.RemoveNodes...)
	q.Rewire = append(slices.Clone(q.Rewire), p.Rewire...)
	q.DropValueInfos = append(slices.Clone(q.DropValueInfos), p.DropValueInfos...)
	if p.Outputs != nil {
		q.Outputs = p.Outputs
	}
	q.Inputs = append(slices.Clone(q.Inputs), p.Inputs...)
	q.Metadata = p.Metadata
	return &q
}
