// Package feed is how data of one kind become the inputs of a model. In come a model, the options
// of a user and the settings that a tuned file carries; out comes a Feed, which opens places and
// gives data sets whose examples lie as the model takes them. It knows nothing of training, nor of
// how a tuned file is run.
//
// A kind of data is one file: a Feed with its Source, and a line in kinds (or a call of Register).
package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
)

// Feed is how data of one kind become the inputs of one model, for a fit as well as for a tuned
// file. It is safe for concurrent use.
type Feed interface {
	// Kind names the kind of data: picture, text, sound.
	Kind() string
	// Form says how examples lie in the model's inputs.
	Form() data.Form
	// Digest names the preparation: examples of the same Dataset.Digest that it prepares feed the
	// model alike.
	Digest() [sha256.Size]byte
	// Open reads the examples to train and to validate with, see data.Open.
	Open(ctx context.Context, p data.Place, opt data.Options) (train, val *data.Dataset, err error)
	// OpenEval reads labelled examples for a model whose classes are known, see data.OpenEval.
	OpenEval(ctx context.Context, p data.Place, classes []string, opt data.Options) (*data.Dataset, error)
	// OpenInputs makes a Dataset of rows without labels, see Inputs. It skips those that cannot be
	// used and errors when none can.
	OpenInputs(ctx context.Context, p data.Place, opt data.Options) (*data.Dataset, error)
	// Keeps says what a run may keep of prepared examples for later ones: a name of it and the form
	// of its blocks. "" keeps nothing.
	Keeps() (what, form string)
	// Settings are what the tuned file must know to prepare examples by itself. Of takes them.
	Settings() (json.RawMessage, error)
	// Notes are what a user should know: what was assumed.
	Notes() []string
}

// Options say how examples are prepared where a user says so.
type Options struct {
	Preprocess string       // a preset or a file
	Table      data.Columns // of tables of texts
	Text       TextOptions
	Sides      sideinput.Options
	Kind       string          // of a tuned file's record, or of the data; "" to be found by the model's inputs
	Settings   json.RawMessage // of a tuned file's record
}

// Kind is a kind of data.
type Kind struct {
	// Name is what a tuned file's record calls it.
	Name string
	// Takes reports whether a model takes it, by its inputs and the files beside it. Kinds are
	// asked in turn; nil is never found so.
	Takes func(m *onnx.Model, o Options) (bool, error)
	// New makes the Feed of a model. It errors where the model or the options do not fit.
	New func(m *onnx.Model, o Options) (Feed, error)
}

// The names of the kinds.
const (
	KindText    = "text"
	KindBytes   = "file" // files of any kind, as their bytes
	KindSound   = "sound"
	KindPicture = "picture"
	KindTensors = "tensor" // a tensor for each input of the model
)

// kinds are asked in this order. Pictures take what nobody else does.
var kinds = []Kind{
	{KindText, takesTokens, newTexts},
	{KindBytes, takesBytes, newBytes},
	{KindSound, takesSounds, newSounds},
	tensorFormat.Kind(),
	{KindPicture, takesAnything, newPictures},
}

// Register adds a kind, which is asked before all others. It is called before any Feed is made,
// from one goroutine.
func Register(k Kind) error {
	switch {
	case k.Name == "" || k.New == nil:
		return fmt.Errorf("kind of data %q: it needs a name and a way to be made", k.Name)
	case slices.ContainsFunc(kinds, func(other Kind) bool { return other.Name == k.Name }):
		return fmt.Errorf("kind of data %q: it is known already", k.Name)
	}
	kinds = slices.Insert(kinds, 0, k)
	return nil
}

func takesAnything(*onnx.Model, Options) (bool, error) { return true, nil }

// The keys of a tuned file's metadata_props that say how it is fed.
const (
	KeyKind     = "permafrost.input"      // see Feed.Kind
	KeySettings = "permafrost.preprocess" // see Feed.Settings
)

// Of finds how a model is fed: by what a tuned file's record says, else by the model's inputs and
// the files beside it. It errors on options of another kind of data.
func Of(m *onnx.Model, o Options) (Feed, error) {
	if o.Preprocess == "tensors" { // as they are
		o.Kind, o.Preprocess = KindTensors, ""
	}
	if kind := m.Metadata[KeyKind]; o.Kind == "" && o.Preprocess == "" && kind != "" { // a tuned file is tuned again
		o.Kind, o.Settings = kind, json.RawMessage(m.Metadata[KeySettings])
	}
	k, err := kindOf(m, o)
	if err != nil {
		return nil, err
	}
	f, err := k.New(m, o)
	if err != nil {
		return nil, err
	}
	if f.Kind() != KindText {
		err = o.Text.unused(f.Kind())
	}
	return f, err
}

func kindOf(m *onnx.Model, o Options) (Kind, error) {
	for _, k := range kinds {
		if o.Kind != "" {
			if k.Name == o.Kind {
				return k, nil
			}
			continue
		}
		if k.Takes == nil {
			continue
		}
		if ok, err := k.Takes(m, o); err != nil || ok {
			return k, err
		}
	}
	return Kind{}, fmt.Errorf("the model was tuned on a kind of data that this version does not know: %s", o.Kind)
}

// Inputs is the place of single examples without labels: files, or with Kind text the texts
// themselves.
func Inputs(kind string, inputs []string) data.Place {
	t := &data.Table{Path: "input", Columns: []string{"file"}}
	if kind == KindText {
		t.Columns[0] = "text"
	}
	for i, s := range inputs {
		t.Rows, t.Lines = append(t.Rows, []string{s}), append(t.Lines, i+1)
	}
	return data.Place{Path: t.Path, Rows: t}
}

// suits errors on examples in memory of another kind than the model takes.
func suits(kind string, places ...data.Place) error {
	for _, p := range places {
		if cmp.Or(p.Kind, kind) != kind {
			return fmt.Errorf("data: the %s are %ss, and the model takes %ss", p.Path, p.Kind, kind)
		}
	}
	return nil
}
