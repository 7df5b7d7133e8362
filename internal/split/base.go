package split

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/dynamicbatch"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Base is the pretrained model that a network is built from, ready for batches.
type Base struct {
	Loss  task.LossFunc // what training minimises on it; nil: the task's own loss
	Model *onnx.Model
	Patch *onnx.Patch // what made its batch free, nil where it was
	Feed  feed.Feed   // how data become its inputs; nil where only shapes of inputs are known, see OpenShaped
	Notes []string    // what a user should know: a freed batch, an assumed preprocessing
	Fixed bool        // the batch is 1 and cannot be made free; only OpenShaped takes such a model

	form   *data.Form                                      // how examples lie in the inputs; nil where all have one length
	shapes func(batch, length int) map[string]tensor.Shape // of the inputs
	length int                                             // see Length
}

// Open reads a model, frees its batch where it is fixed at 1, and finds how it is fed, as the options
// or the files beside it say.
func Open(path string, o feed.Options) (*Base, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	return NewBase(m, o)
}

// NewBase does the same for a model that has been read.
func NewBase(m *onnx.Model, o feed.Options) (*Base, error) {
	b := &Base{Model: m}
	if len(m.Graph.Inputs) == 1 && len(m.Graph.Inputs[0].Type.Shape) > 0 && m.Graph.Inputs[0].Type.Shape[0] > 0 {
		patch, note, err := dynamicbatch.Free(m, compile.Trace)
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
	f := b.Feed.Form()
	b.shapes, b.length = f.Shapes, f.Bucket(min(2, f.Most))
	if f.Exact {
		b.length = min(data.LeastBucket, f.Most)
	}
	if f.Varies() {
		b.form = &f
	}
	if b.Patch != nil {
		return b, b.checkBatch()
	}
	return b, nil
}

// OpenAxis is the size given to an axis other than the batch whose size the model leaves open.
const OpenAxis = 128

// OpenShaped reads a model that is looked at or timed, whatever its inputs take. Where it can be fed it is
// as OpenBase has it. Else, and where shapes of inputs are given by name, these and the declared shapes
// count, with OpenAxis for what they leave open.
func OpenShaped(path string, o feed.Options, given map[string]tensor.Shape) (*Base, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	for name := range given {
		if !slices.ContainsFunc(m.Graph.Inputs, func(v *ir.Value) bool { return v.Name == name }) {
			return nil, fmt.Errorf("option shape %s: the model has no such input; it has %s", name, strings.Join(inputNames(m), ", "))
		}
	}
	if len(given) == 0 {
		b, err := NewBase(m, o)
		if err == nil {
			return b, nil
		}
		if o.Preprocess != "" || o.Text.Tokenizer != "" {
			return nil, err
		}
	}
	b := &Base{Model: m, length: 1}
	if in := m.Graph.Inputs; len(in) > 0 && len(in[0].Type.Shape) > 0 && in[0].Type.Shape[0] == 1 {
		if _, note, err := dynamicbatch.Free(m, compile.Trace); err != nil {
			b.Fixed = true
			b.Notes = append(b.Notes, err.Error())
		} else if note != "" {
			b.Notes = append(b.Notes, note)
		}
	}
	for _, v := range m.Graph.Inputs {
		s := v.Type.Shape
		if _, ok := given[v.Name]; !ok && s == nil {
			return nil, fmt.Errorf("the model does not say how many axes its input %q has: give option shape %s=1,128", v.Name, v.Name)
		}
		if _, ok := given[v.Name]; !ok && len(s) > 1 && slices.Contains(s[1:], -1) {
			b.Notes = append(b.Notes, fmt.Sprintf("input %q is %v: open axes other than the batch are taken as %d (option shape %s=... sets them)", v.Name, v.Type, OpenAxis, v.Name))
		}
	}
	b.shapes = func(n, _ int) map[string]tensor.Shape { return openShapes(m, n, given) }
	return b, nil
}

func inputNames(m *onnx.Model) []string {
	var names []string
	for _, v := range m.Graph.Inputs {
		names = append(names, v.Name)
	}
	return names
}

// openShapes gives every open axis of the inputs a size: n to the batch, which is the first axis and
// every axis that has the same name, and OpenAxis to others.
func openShapes(m *onnx.Model, n int, given map[string]tensor.Shape) map[string]tensor.Shape {
	batch := ""
	for _, v := range m.Inputs {
		if len(v.Dims) > 0 && len(v.Shape) > 0 && v.Shape[0] < 0 && batch == "" {
			batch = v.Dims[0]
		}
	}
	out := map[string]tensor.Shape{}
	for _, v := range m.Graph.Inputs {
		if s, ok := given[v.Name]; ok {
			s = s.Clone()
			if len(s) > 0 && len(v.Type.Shape) > 0 && v.Type.Shape[0] < 0 {
				s[0] = n
			}
			out[v.Name] = s
			continue
		}
		s := v.Type.Shape.Clone()
		for i, d := range s {
			named := i < len(v.Dims) && v.Dims[i] != "" && v.Dims[i] == batch
			switch {
			case d >= 0:
			case i == 0 || named:
				s[i] = n
			default:
				s[i] = OpenAxis
			}
		}
		out[v.Name] = s
	}
	return out
}

// checkBatch makes sure that a freed batch keeps examples apart: two examples together must give what
// they give one by one.
func (b *Base) checkBatch() error {
	form := b.Feed.Form()
	input := form.Inputs[0]
	run := func(x *tensor.Tensor) ([]*tensor.Tensor, error) {
		g, err := compile.Model(b.Model.Graph, compile.Options{Shapes: map[string]tensor.Shape{input.Name: x.Shape}, Plain: true})
		if err != nil {
			return nil, err
		}
		p, err := compile.Region(g, compile.Memory{})
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
	r := random.For(0, random.Init, 0)
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

// Inference compiles the whole model as it is, with all weights frozen, for a batch of examples of a length.
func (b *Base) Inference(batch, length int) (*compile.Program, error) {
	return compile.Inference(b.Model.Graph, b.shapes(batch, length), compile.Memory{})
}

// Form says how examples of different lengths lie in the inputs; nil where all have one length.
func (b *Base) Form() *data.Form { return b.form }

// Shapes gives the model's input shapes for a batch of examples of Length.
func (b *Base) Shapes(batch int) map[string]tensor.Shape { return b.shapes(batch, b.length) }

// ShapesAt gives them for examples of another length.
func (b *Base) ShapesAt(batch, length int) map[string]tensor.Shape { return b.shapes(batch, length) }

// Length is the length of examples by which a model is looked at, where they have different ones: the
// shortest bucket that tells the lengths from the number of examples.
func (b *Base) Length() int { return b.length }

// Two is the batch by which a model is looked at: two examples, or the one that it takes.
func (b *Base) Two() int {
	if b.Fixed {
		return 1
	}
	return 2
}

// mask is the input that says which steps of an example are no padding, "" for none.
func (b *Base) mask() string {
	if t, ok := b.Feed.(*feed.Texts); ok {
		return t.Mask()
	}
	return ""
}

// tokens looks tokens up for selectors of rows; nil where the model takes no texts.
func (b *Base) tokens() func(string) (int, bool) {
	if t, ok := b.Feed.(*feed.Texts); ok {
		return t.Tokenizer.ID
	}
	return nil
}
