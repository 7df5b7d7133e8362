// Package feed is how data of one kind (pictures, texts, sounds, bytes of files) become the inputs of a model. In come a model, the options of a user
// and the settings that a tuned file carries; out come a Feed, which opens data sets whose examples lie as the model takes them. It knows
// nothing of training, nor of how a model runs.
package feed

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// Feed is how data of one kind become the inputs of one model, for a fit as well as for a tuned file. A kind is added by a Feed, a branch
// in Of, and what Options need for it.
type Feed interface {
	// Kind names the kind of data: picture, text, sound.
	Kind() string
	// Form says how examples lie in the model's inputs.
	Form() data.Form
	// Digest names the preparation: examples of the same Dataset.Digest that it prepares feed the model alike.
	Digest() [sha256.Size]byte
	// Open reads the examples to train and to validate with, as data.Open does for pictures.
	Open(ctx context.Context, path string, opt data.Options) (train, val *data.Dataset, err error)
	// OpenEval reads labelled examples for a model whose classes are known, as data.OpenEval does.
	OpenEval(ctx context.Context, path string, classes []string, opt data.Options) (*data.Dataset, error)
	// OpenInputs makes a Dataset of single examples without labels: files, or texts themselves. It skips those that cannot be used and
	// errors when none can.
	OpenInputs(ctx context.Context, inputs []string, opt data.Options) (*data.Dataset, error)
	// Settings are what the tuned file must know to prepare examples by itself. Of takes them.
	Settings() (json.RawMessage, error)
	// Notes are what a user should know: what was assumed.
	Notes() []string
}

// Options say how examples are prepared where a user says so.
type Options struct {
	Preprocess string // a preset or a file
	Table      data.Columns
	Tokenizer  string          // a file; "" for the one beside the model
	MaxLength  int             // tokens of a text at most; 0 for what the model takes
	Kind       string          // of a tuned file's record; "" to be found by the model's inputs
	Settings   json.RawMessage // of a tuned file's record
}

// Of finds how a model is fed: by what a tuned file's record says, else by the model's inputs and the files beside it. It errors on options
// of another kind of data.
func Of(m *onnx.Model, o Options) (Feed, error) {
	f, err := of(m, o)
	if err == nil && f.Kind() != KindText {
		if o.Tokenizer != "" {
			return nil, fmt.Errorf("--tokenizer %s: the model takes %ss, and no texts", o.Tokenizer, f.Kind())
		}
		if o.MaxLength != 0 {
			return nil, fmt.Errorf("--max-length %d: the model takes %ss, and no texts", o.MaxLength, f.Kind())
		}
	}
	return f, err
}

func of(m *onnx.Model, o Options) (Feed, error) {
	if kind := m.Metadata[KeyKind]; o.Kind == "" && o.Preprocess == "" && kind != "" { // a tuned file is tuned again
		o.Kind, o.Settings = kind, json.RawMessage(m.Metadata[KeySettings])
	}
	switch o.Kind {
	case KindText:
		return newTexts(m, o)
	case KindPicture:
		return newPictures(m, o)
	case KindBytes:
		return newBytes(m, o)
	case KindSound:
		return newSounds(m, o, nil, "")
	case "":
		if takesTokens(m) {
			return newTexts(m, o)
		}
		if takesBytes(m) {
			return newBytes(m, o)
		}
		text, path, err := soundConfig(m, o)
		if err != nil {
			return nil, err
		}
		if text != nil || o.Preprocess == "" && takesSamples(m) {
			return newSounds(m, o, text, path)
		}
		return newPictures(m, o)
	}
	return nil, fmt.Errorf("the model was tuned on a kind of data that this version does not know: %s", o.Kind)
}

// The keys of a tuned file's metadata_props that say how it is fed.
const (
	KeyKind     = "permafrost.input"      // the kind of data, see Feed.Kind
	KeySettings = "permafrost.preprocess" // see Feed.Settings
)

// The kinds of data.
const (
	KindPicture = "picture"
	KindText    = "text"
	KindSound   = "sound"
	KindTensors = "tensors" // a tensor for each input of the model
)

// Pictures feeds a model with pictures.
type Pictures struct {
	*data.Pipeline
	input string
	notes []string
}

func newPictures(m *onnx.Model, o Options) (*Pictures, error) {
	in, err := PictureInput(m)
	if err != nil {
		return nil, err
	}
	p, note, err := preprocessOf(m, o, in.Channels)
	if err != nil {
		return nil, err
	}
	f := &Pictures{input: in.Name}
	if note != "" {
		f.notes = append(f.notes, note)
	}
	f.Pipeline, err = p.For(in.Channels, in.Height, in.Width)
	return f, err
}

// preprocessOf finds how pictures are prepared: as named, as the tuned model says, as a file beside the model says, else ImageNet's way.
func preprocessOf(m *onnx.Model, o Options, channels int) (data.Preprocess, string, error) {
	if o.Preprocess != "" {
		p, err := data.LoadPreprocess(o.Preprocess)
		return p, "", err
	}
	if text, ok := m.Metadata[KeySettings]; ok {
		p, err := data.ParsePreprocess([]byte(text))
		if err != nil {
			err = fmt.Errorf("%s: %w", KeySettings, err)
		}
		return p, "", err
	}
	if m.Path != "" {
		if file := data.FindPreprocess(m.Path); file != "" {
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

func (*Pictures) Kind() string      { return KindPicture }
func (f *Pictures) Form() data.Form { return f.Pipeline.Form(f.input) }
func (f *Pictures) Notes() []string { return f.notes }

func (f *Pictures) Settings() (json.RawMessage, error) { return json.Marshal(f.Preprocess) }

func (f *Pictures) Open(ctx context.Context, path string, opt data.Options) (train, val *data.Dataset, err error) {
	if opt.Pipeline = f.Pipeline; opt.Augment == nil {
		if opt.Augment, err = data.ParseAugment(opt.AugmentSpec); err != nil {
			return nil, nil, err
		}
	}
	return data.Open(ctx, path, opt)
}

func (f *Pictures) OpenEval(ctx context.Context, path string, classes []string, opt data.Options) (*data.Dataset, error) {
	opt.Pipeline = f.Pipeline
	return data.OpenEval(ctx, path, classes, opt)
}

func (f *Pictures) OpenInputs(ctx context.Context, inputs []string, opt data.Options) (*data.Dataset, error) {
	opt.Pipeline = f.Pipeline
	return data.OpenFiles(ctx, inputs, opt)
}
