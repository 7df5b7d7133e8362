package train

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
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
	if len(m.Graph.Inputs) != 1 {
		var names []string
		for _, v := range m.Graph.Inputs {
			names = append(names, v.Name)
		}
		return nil, fmt.Errorf("the model has %d inputs %v; pictures need a model with one", len(names), names)
	}
	in := m.Graph.Inputs[0]
	shape := in.Type.Shape
	if len(shape) != 4 || in.Type.DType != tensor.Float32 {
		return nil, fmt.Errorf("the model's input %q is %v; pictures need float32[N,C,H,W]", in.Name, in.Type)
	}
	if shape[0] > 0 {
		patch, note, err := onnx.FreeBatch(m)
		if err != nil {
			return nil, err
		}
		b.Patch = patch
		b.Notes = append(b.Notes, note)
		shape = m.Graph.Inputs[0].Type.Shape
	}
	channels := shape[1]
	if channels < 0 {
		channels = 3
	}
	p, note, err := b.preprocess(preprocess, channels)
	if err != nil {
		return nil, err
	}
	if note != "" {
		b.Notes = append(b.Notes, note)
	}
	if b.Pipeline, err = p.For(channels, shape[2], shape[3]); err != nil {
		return nil, err
	}
	b.input = in.Name
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
