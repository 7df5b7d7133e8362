package split

import (
	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/dynamicbatch"
	"github.com/permafrost-ml/permafrost/internal/evalmode"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Base is the pretrained model that a network is built from, ready for batches.
type Base struct {
	Loss  task.LossFunc // what training minimises on it; nil: the task's own loss
	Model *onnx.Model
	Patch *onnx.Patch // what put it into evaluation mode and made its batch free, nil where neither was needed
	Sides string      // what was settled of its inputs, as a tuned file records it, see sideinput.Key
	Feed  feed.Feed   // how data become its inputs; nil where only shapes of inputs are known, see OpenShaped
	Notes []string    // what a user should know: a freed batch, an assumed preprocessing
	Fixed bool        // the batch is 1 and cannot be made free; only OpenShaped takes such a model

	form   *data.Form                                      // how examples lie in the inputs; nil where all have one length
	shapes func(batch, length int) map[string]tensor.Shape // of the inputs
	length int                                             // see Length
}

// Open reads a model, frees its batch where it is fixed at 1, and finds how it is fed, as the
// options or the files beside it say.
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
	if err := b.settle(o); err != nil {
		return nil, err
	}
	freed := len(m.Graph.Inputs) == 1 && len(m.Graph.Inputs[0].Type.Shape) > 0 && m.Graph.Inputs[0].Type.Shape[0] > 0
	if freed {
		if err := b.free(); err != nil {
			return nil, err
		}
	}
	if err := b.feed(o); err != nil {
		return nil, err
	}
	if freed {
		return b, b.checkBatch()
	}
	return b, nil
}

// settle makes of a model as its file has it one that is the same for every example: in evaluation
// mode, with the inputs that examples feed, and with the outputs that can be computed.
func (b *Base) settle(o feed.Options) error {
	patch, note, err := evalmode.Set(b.Model)
	if err != nil {
		return err
	}
	if note != "" {
		b.Patch, b.Notes = patch, append(b.Notes, note)
	}
	if note := dropUnknown(b.Model.Graph); note != "" {
		b.Notes = append(b.Notes, note)
	}
	var notes []string
	alone := o.Kind == feed.KindTensors || o.Preprocess == "tensors" // files have a tensor for each input
	b.Sides, notes, err = sideinput.Bind(b.Model, o.Sides, !alone)
	b.Notes = append(b.Notes, notes...)
	return err
}

// free makes the batch free where the file fixes it at 1.
func (b *Base) free() error {
	patch, note, err := dynamicbatch.Free(b.Model, compile.Trace)
	if err != nil {
		return err
	}
	if b.Patch != nil {
		patch.Attrs, patch.CutOutputs = b.Patch.Attrs, b.Patch.CutOutputs
		patch.Rewire = append(b.Patch.Rewire, patch.Rewire...)
	}
	b.Patch = patch
	if note != "" {
		b.Notes = append(b.Notes, note)
	}
	return nil
}

// feed finds how data become the inputs.
func (b *Base) feed(o feed.Options) (err error) {
	if b.Feed, err = feed.Of(b.Model, o); err != nil {
		return err
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
	return nil
}

// Inference compiles the whole model as it is, with all weights frozen, for a batch of examples of
// a length.
func (b *Base) Inference(batch, length int) (*compile.Program, error) {
	return compile.Inference(b.Model.Graph, b.shapes(batch, length), compile.Memory{})
}

// Form says how examples of different lengths lie in the inputs; nil where all have one length.
func (b *Base) Form() *data.Form { return b.form }

// Shapes gives the model's input shapes for a batch of examples of Length.
func (b *Base) Shapes(batch int) map[string]tensor.Shape { return b.shapes(batch, b.length) }

// ShapesAt gives them for examples of another length.
func (b *Base) ShapesAt(batch, length int) map[string]tensor.Shape { return b.shapes(batch, length) }

// Length is the length of examples by which a model is looked at, where they have different ones:
// the shortest bucket that tells the lengths from the number of examples.
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
