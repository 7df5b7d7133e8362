package split

import (
	"fmt"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/dynamicbatch"
	"github.com/permafrost-ml/permafrost/internal/evalmode"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Base is a pretrained model from which networks are built. It accepts batches.
type Base struct {
	Loss     task.LossFunc // what training minimises; nil: the task's own loss
	Model    *onnx.Model
	Patch    *onnx.Patch // what put it into evaluation mode and made its batch free, nil where neither was needed
	Sides    string      // what was settled of its inputs, as a tuned file records it, see sideinput.Key
	Feed     feed.Feed   // how data become its inputs; nil where only shapes of inputs are known, see OpenShaped
	Notes    []string    // what a user should know: a freed batch, an assumed preprocessing
	OneByOne []string    // nodes that take a statistic of the whole batch: examples go through one at a time, see wholeBatch
	Fixed    bool        // the batch is 1 and cannot be made free; only OpenShaped takes such a model

	// how examples are laid out in the inputs; nil if all have one length
	form   *data.Form
	shapes func(batch, length int) map[string]tensor.Shape // of the inputs
	length int                                             // see Length
	blocks knownBlocks                                     // see Blocks
	common *common                                         // see commons
	begun  sync.Once                                       // common is made
}

// Open reads a model and frees its batch size if it is fixed at 1. It determines how the model is
// fed from the options or the files beside the model.
func Open(path string, o feed.Options) (*Base, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	return NewBase(m, o)
}

// NewBase is Open for a model that is already in memory.
func NewBase(m *onnx.Model, o feed.Options) (*Base, error) {
	b := &Base{Model: m}
	if err := b.settle(o); err != nil {
		return nil, err
	}
	freed := b.fixed()
	if freed {
		if err := b.free(); err != nil {
			return nil, err
		}
	}
	if err := b.feed(o); err != nil {
		return nil, err
	}
	if err := b.checkShapes(o.Sides.Shapes); err != nil {
		return nil, err
	}
	if freed {
		return b, b.checkBatch()
	}
	return b, nil
}

// Settled returns what NewBase would change in a model's file before a fit, nil for nothing: it puts
// it into evaluation mode and frees its batch axis. It changes m's graph. Of the options it heeds
// those of inputs.
func Settled(m *onnx.Model, o feed.Options) (*onnx.Patch, error) {
	b := &Base{Model: m}
	if err := b.settle(o); err != nil {
		return nil, err
	}
	if b.fixed() {
		if err := b.free(); err != nil {
			return nil, err
		}
	}
	return b.Patch, nil
}

// fixed reports whether the file fixes the first axis of the model's first input.
func (b *Base) fixed() bool {
	in := b.Model.Graph.Inputs
	return len(in) > 0 && len(in[0].Type.Shape) > 0 && in[0].Type.Shape[0] > 0
}

// checkShapes errors if the model does not run with the sizes that option shape gives it.
func (b *Base) checkShapes(given []string) error {
	if len(given) == 0 {
		return nil
	}
	_, err := compile.Model(b.Model.Graph, compile.Options{Shapes: b.Shapes(b.Two()), Plain: true})
	if err != nil {
		err = option.Errorf("shape", "with %s the model does not run: %w", strings.Join(given, " "), err)
	}
	return err
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
	if b.OneByOne, note = wholeBatch(b.Model.Graph); note != "" {
		b.Notes = append(b.Notes, note)
	}
	if note := dropUnknown(b.Model.Graph); note != "" {
		b.Notes = append(b.Notes, note)
	}
	var notes []string
	alone := o.Kind == feed.KindTensors || o.Preprocess == "tensors" // files have a tensor for each input
	b.Sides, notes, err = sideinput.Bind(b.Model, o.Sides, !alone)
	b.Notes = append(b.Notes, notes...)
	if err != nil {
		return err
	}
	for _, in := range b.Model.Graph.Inputs {
		if s := in.Type.Shape; len(s) > 0 && s[0] == 0 {
			return fmt.Errorf("onnx: input %q is %v: its batch is written as 0, so that it holds no example: export the model with a free batch, or with 1", in.Name, in.Type)
		}
	}
	return nil
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

// Inference compiles the whole model with all weights frozen, for a batch of examples of the given
// length.
func (b *Base) Inference(batch, length int) (*compile.Program, error) {
	if b.OneByOne != nil && batch > 1 {
		one, err := b.Inference(1, length)
		if err != nil {
			return nil, err
		}
		return one.Repeat(batch), nil
	}
	return compile.Inference(b.Model.Graph, b.shapes(batch, length), compile.Memory{})
}

// Form returns how examples of different lengths are laid out in the inputs. It is nil if all have
// one length.
func (b *Base) Form() *data.Form { return b.form }

// Shapes returns the model's input shapes for a batch of examples of length Length.
func (b *Base) Shapes(batch int) map[string]tensor.Shape { return b.shapes(batch, b.length) }

// ShapesAt returns the model's input shapes for a batch of examples of another length.
func (b *Base) ShapesAt(batch, length int) map[string]tensor.Shape { return b.shapes(batch, length) }

// Length is the example length at which a model with variable lengths is analysed. It is the
// shortest bucket whose length cannot be mistaken for the batch size.
func (b *Base) Length() int { return b.length }

// Two is the batch size at which a model is analysed: two examples, or one if the model accepts no
// more.
func (b *Base) Two() int {
	if b.Fixed {
		return 1
	}
	return 2
}

// mask is the input that marks which steps of an example are not padding, "" if there is none.
func (b *Base) mask() string {
	if t, ok := b.Feed.(*feed.Texts); ok {
		return t.Mask()
	}
	return ""
}

// tokens looks up tokens for selectors of rows. It is nil if the model does not read text.
func (b *Base) tokens() func(string) (int, bool) {
	if t, ok := b.Feed.(*feed.Texts); ok {
		return t.Tokenizer.ID
	}
	return nil
}
