// Package feed turns data of one kind into the inputs of a model.
//
// In: a model, the user's options, and the settings in a tuned file. Out: a Feed, which opens
// places and returns data sets whose examples have the form that the model takes. It knows nothing
// of training, nor of how a tuned file is run.
//
// Each kind of data has one file, with a Feed and its Source, and a line in kinds (or a call of
// Register).
package feed

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/sideinput"
)

// Feed turns data of one kind into the inputs of one model, both for a fit and for a tuned file. It
// is safe for concurrent use.
type Feed interface {
	// Kind returns the kind of data: picture, text, sound.
	Kind() string
	// Form says how examples are laid out in the model's inputs.
	Form() data.Form
	// Digest identifies the preparation. Examples with the same Dataset.Digest and the same
	// preparation give the model the same inputs.
	Digest() [sha256.Size]byte
	// Open reads the training and validation examples, see data.Open.
	Open(ctx context.Context, p data.Place, opt data.Options) (train, val *data.Dataset, err error)
	// OpenEval reads labelled examples for a model with known classes, see data.OpenEval.
	OpenEval(ctx context.Context, p data.Place, classes []string, opt data.Options) (*data.Dataset, error)
	// OpenInputs makes a Dataset of rows without labels, see Inputs. It skips unusable ones and
	// errors if all are unusable.
	OpenInputs(ctx context.Context, p data.Place, opt data.Options) (*data.Dataset, error)
	// FindFiles lists the files that paths name, see data.FindFiles. For texts these are files of
	// one text a line.
	FindFiles(paths []string) ([]string, error)
	// Keeps says what a run may keep of prepared examples for later runs: a name for it and the
	// form of its blocks. "" keeps nothing.
	Keeps() (what, form string)
	// Settings returns what a tuned file must record to prepare examples by itself. Of reads them.
	Settings() (json.RawMessage, error)
	// Notes returns what a user should know, such as assumptions.
	Notes() []string
}

// Options are the user's choices of how examples are prepared.
type Options struct {
	Preprocess string       // a preset or a file
	Layout     string       // of a model's pictures: nchw, nhwc, or "" to be found
	Size       string       // of a model's pictures, as 224x320; "" to be found
	Augment    string       // that training examples will get; "" is none
	Table      data.Columns // of tables
	Text       TextOptions
	Sides      sideinput.Options
	Kind       string          // of a tuned file's record, or of the data; "" to be found by the model's inputs
	Settings   json.RawMessage // from a tuned file's record
	Data       data.Place      // the examples, where known: they tell kinds apart that a model might take

	looks looks // of Data
}

// Kind is a kind of data.
type Kind struct {
	// Name is the kind's name in a tuned file's record.
	Name string
	// Takes reports whether a model takes this kind of data, judged by its inputs and the files
	// beside it. Kinds are asked in order. A kind with nil Takes is never chosen automatically.
	Takes func(m *onnx.Model, o Options) (bool, error)
	// New makes the Feed of a model. It errors if the model or the options do not fit.
	New func(m *onnx.Model, o Options) (Feed, error)
	// Extensions are those of its files; nil: any. Give says how its examples are given. Both are
	// for messages about data of another kind.
	Extensions []string
	Give       string
}

// The names of the kinds.
const (
	KindText    = "text"
	KindBytes   = "file" // files of any kind, as bytes
	KindSound   = "sound"
	KindPicture = "picture"
	KindVector  = "vector" // rows of numbers
	KindTensors = "tensor" // a tensor for each input of the model
)

// kinds are asked in this order.
var kinds = []Kind{
	{KindText, takesTokens, newTexts, slices.Concat(plainFormats, data.TableFormats), "a table (CSV, TSV, JSONL) with the columns text and label"},
	{KindBytes, takesBytes, newBytes, nil, "class folders of files"},
	{KindSound, takesSounds, newSounds, soundFormats, "class folders of sounds, or a table with the columns file and label"},
	{KindVector, takesVectors, newVectors, data.TableFormats, "a table (CSV, TSV, JSONL) with a column for each number, in the model's order, and a column label"},
	tensorFormat.Kind(),
	{KindPicture, takesPictures, newPictures, pictureFormats, "class folders of pictures, or a table with the columns file and label"},
}

// Register adds a kind, which is asked before all others. Call it from one goroutine, before any
// Feed is made.
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

// Keys in a tuned file's metadata_props that say how it is fed.
const (
	KeyKind     = "permafrost.input"      // see Feed.Kind
	KeySettings = "permafrost.preprocess" // see Feed.Settings
)

// Of finds how a model is fed: from a tuned file's record, or else from the model's inputs and the
// files beside it. It errors on options for another kind of data.
func Of(m *onnx.Model, o Options) (Feed, error) {
	if o.Preprocess == "tensors" { // without preprocessing
		o.Kind, o.Preprocess = KindTensors, ""
	}
	// a tuned file is fine-tuned again
	if kind := m.Metadata[KeyKind]; o.Kind == "" && o.Preprocess == "" && kind != "" {
		o.Kind, o.Settings = kind, json.RawMessage(m.Metadata[KeySettings])
	}
	if err := data.Readable(o.Data); err != nil {
		return nil, err
	}
	o.looks = look(o.Data, o.Table)
	k, err := kindOf(m, o)
	if err == nil {
		err = o.looks.misfit(k, m)
	}
	if err != nil {
		return nil, err
	}
	f, err := k.New(m, o)
	if err != nil {
		return nil, err
	}
	if f.Kind() == KindText {
		err = o.unusedOfTexts()
	} else {
		err = o.Text.unused(f.Kind())
	}
	if of, ok := f.(interface {
		media(augment string) (*data.Media, error)
	}); ok && err == nil {
		_, err = of.media(o.Augment)
	}
	if err == nil && f.Kind() != KindPicture {
		err = o.unusedOfPictures(f.Kind())
	}
	return f, err
}

// unusedOfTexts errors on options that models of texts do not heed.
func (o Options) unusedOfTexts() error {
	switch {
	case o.Preprocess != "":
		return option.Errorf("preprocess", "the model takes texts, which option tokenizer prepares")
	case (data.Options{Augment: o.Augment}).Augmented():
		return option.Errorf("augment", "texts are not augmented")
	}
	return nil
}

// unusedOfPictures errors on options that only models of pictures heed.
func (o Options) unusedOfPictures(kind string) error {
	switch {
	case o.Layout != "":
		return option.Errorf("layout", "the model takes %ss, and only pictures have one", kind)
	case o.Size != "":
		return option.Errorf("size", "the model takes %ss, and only pictures have one", kind)
	}
	return nil
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
	if o.Kind != "" {
		return Kind{}, fmt.Errorf("the model was tuned on a kind of data that this version does not know: %s", o.Kind)
	}
	return Kind{}, noKind(m)
}

// noKind is the error of a model that takes no kind of data, with what each would need.
func noKind(m *onnx.Model) error {
	in := m.Graph.Inputs[0]
	open := make([]string, len(in.Type.Shape))
	for i, d := range in.Type.Shape {
		switch {
		case i == 0:
			open[i] = "1"
		case d < 0:
			open[i] = "16"
		default:
			open[i] = strconv.Itoa(d)
		}
	}
	return fmt.Errorf("the model's input %q is %v, which no kind of data fits: pictures need four axes, N,C,H,W or N,H,W,C; vectors need numbers [N,D] or [N,T,D] with fixed sizes, which option shape gives to open ones, as %s=%s; sounds need a preprocessor file",
		in.Name, in.Type, in.Name, strings.Join(open, ","))
}

// inputName stands for inputs of a prediction in messages about all of them.
const inputName = "input"

// Inputs returns a place of single examples without labels: files, or for the kind text the texts
// themselves.
func Inputs(kind string, inputs []string) data.Place {
	if kind == KindText {
		return column("text", inputs)
	}
	return InputFiles(inputs)
}

// InputFiles returns a place of files without labels. For vectors and texts they are tables, and
// each row is an example.
func InputFiles(paths []string) data.Place { return column("file", paths) }

// column returns a place of rows with one cell.
func column(name string, cells []string) data.Place {
	t := &data.Table{Path: inputName, Columns: []string{name}}
	for i, s := range cells {
		t.Rows, t.Lines = append(t.Rows, []string{s}), append(t.Lines, i+1)
	}
	return data.Place{Path: t.Path, Rows: t}
}

// suits errors if data are of another kind than the model takes.
func suits(kind string, columns data.Columns, places ...data.Place) error {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })
	if i < 0 { // a kind of a program's own, that it made itself
		return nil
	}
	for _, p := range places {
		if err := data.Readable(p); err != nil {
			return err
		}
		if err := look(p, columns).misfit(kinds[i], nil); err != nil {
			return err
		}
	}
	return nil
}
