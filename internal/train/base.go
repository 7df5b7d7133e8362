package train

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Base is the pretrained model that a fit starts from, ready for batches.
type Base struct {
	Model *onnx.Model
	Patch *onnx.Patch // what made its batch free, nil where it was
	Feed  feed.Feed   // how data become its inputs
	Notes []string    // what a user should know: a freed batch, an assumed preprocessing
}

// OpenBase reads a model, frees its batch where it is fixed at 1, and finds how it is fed, as the options or the files beside it say.
func OpenBase(path string, o feed.Options) (*Base, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	return NewBase(m, o)
}

// feedOptions are the options that say how data are prepared.
func (c *Config) feedOptions() feed.Options {
	return feed.Options{Preprocess: c.Preprocess, Tokenizer: c.Tokenizer, MaxLength: c.MaxLength, Table: data.Columns{Text: c.TextColumn, Label: c.LabelColumn}}
}

// NewBase does the same for a model that has been read.
func NewBase(m *onnx.Model, o feed.Options) (*Base, error) {
	b := &Base{Model: m}
	if len(m.Graph.Inputs) == 1 && len(m.Graph.Inputs[0].Type.Shape) > 0 && m.Graph.Inputs[0].Type.Shape[0] > 0 {
		patch, note, err := onnx.FreeBatch(m, compile.Trace)
		if err != nil {
			return nil, err
		}
		b.Patch = patch
		b.Notes = append(b.Notes, note)
	}
	var err error
	if b.Feed, err = feed.Of(m, o); err != nil {
		return nil, err
	}
	b.Notes = append(b.Notes, b.Feed.Notes()...)
	if b.Patch != nil {
		return b, b.checkBatch()
	}
	return b, nil
}

// checkBatch makes sure that a freed batch keeps examples apart: two examples together must give what
// they give one by one.
func (b *Base) checkBatch() error {
	form := b.Feed.Form()
	input := form.Inputs[0]
	run := func(x *tensor.Tensor) ([]*tensor.Tensor, error) {
		g, err := compile.Specialise(b.Model.Graph, map[string]tensor.Shape{input.Name: x.Shape})
		if err != nil {
			return nil, err
		}
		p, err := compile.Compile(g)
		if err != nil {
			return nil, err
		}
		return p.Run(context.Background(), x)
	}
	x := madeUpBatch(input, form.Shape(input, 2, form.Bucket(1)))
	both, err := run(x)
	if err != nil {
		return fmt.Errorf("the model's batch is fixed at 1 and does not run with 2: %w", err)
	}
	for k := range 2 {
		part := len(x.Bytes) / 2
		one, err := run(&tensor.Tensor{DType: x.DType, Shape: append(tensor.Shape{x.Shape[0] / 2}, x.Shape[1:]...), Bytes: x.Bytes[k*part : (k+1)*part]})
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

// madeUpBatch is a batch of a single input: numbers from 0 to 1, or tokens 0 and 1.
func madeUpBatch(in data.Input, shape tensor.Shape) *tensor.Tensor {
	x := tensor.New(in.DType, shape...)
	r := randFor(0, purposeInit, 0)
	for i := range x.Len() {
		v := r.Float32()
		switch x.DType {
		case tensor.Float32:
			x.F32()[i] = v
		case tensor.Int64:
			x.I64()[i] = int64(2 * v)
		case tensor.Int32:
			tensor.Data[int32](x)[i] = int32(2 * v)
		}
	}
	return x
}

// Shapes gives the model's input shapes for a batch of examples of BaseLength.
func (b *Base) Shapes(batch int) map[string]tensor.Shape {
	return b.Feed.Form().Shapes(batch, b.Length())
}

// mask is the input that says which steps of an example are no padding, "" for none.
func (b *Base) mask() string {
	if t, ok := b.Feed.(*feed.Texts); ok {
		return t.Mask()
	}
	return ""
}

// Length is the length of examples by which a model is looked at, where they have different ones: the shortest bucket that tells the
// lengths from the number of examples.
func (b *Base) Length() int {
	f := b.Feed.Form()
	if f.Exact {
		return min(data.LeastBucket, f.Most)
	}
	return f.Bucket(min(2, f.Most))
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
