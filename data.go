package permafrost

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"iter"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Data is a set of examples with their right answers: a folder or a table on the disk, in any other
// file system, or examples in memory. It is used where Config.Data names a folder; see WithData.
// The zero Data is none. It is a value: several fits may use it at once, but for Examples of a
// sequence that can be read only once.
type Data struct {
	place    data.Place
	examples iter.Seq2[Example, error]
	inputs   []string // of Files or Texts
	given    bool     // inputs, though there may be none
	texts    bool     // inputs are Texts
}

// Folder is a folder of class folders, or a table, on the disk, laid out as README.md says: what
// Config.Data names.
func Folder(path string) Data { return Data{place: data.Place{Path: path}} }

// FS is the same in a file system: an archive, files embedded in the program, storage of one's own.
// root is the folder or the table in it, "." for all of it. What is kept between runs is found
// again by the content of the files, not by their names.
func FS(fsys fs.FS, root string) Data { return Data{place: data.Place{FS: fsys, Path: root}} }

// Examples is examples in memory, or as they come in. The sequence is read once, to its end or to
// its first error, when a call opens the data; the examples stay in memory until the call ends,
// pictures and sounds given as Bytes as they are encoded. Their content is the key of what is kept
// between runs.
func Examples(seq iter.Seq2[Example, error]) Data { return Data{examples: seq} }

// ExampleList is Examples of a list.
func ExampleList(list ...Example) Data {
	return Examples(func(yield func(Example, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	})
}

// Files are single files without answers, for Model.Predict.
func Files(paths ...string) Data { return Data{inputs: paths, given: true} }

// Texts are texts without answers, for Model.Predict. Those of a pair are divided by a tab.
func Texts(texts ...string) Data { return Data{inputs: texts, given: true, texts: true} }

// Example is one example in memory, with its right answer where it has one. Exactly one of Image,
// Bytes, Text, Samples and Tensors is given, the same one in all examples of a set.
type Example struct {
	Name string // in messages and in Prediction.Input; "" for "example N"

	Image   image.Image       // a picture
	Bytes   []byte            // an encoded picture or sound; for a model of bytes any file
	Text    string            // a text
	Pair    *string           // with Text: the second one of a pair
	Samples []float32         // a sound of one channel, full scale from -1 to 1
	Rate    int               // samples a second
	Tensors map[string]Tensor // what each input of the model takes, by its name, without the batch axis

	// Label is the right answer as a table says it: the name of a class, several of them joined by
	// "|", a number, a transcript. "" where a language model learns the text itself, and in what is
	// predicted.
	Label string
}

// IsZero reports whether there are no data.
func (d Data) IsZero() bool { return d.place.IsZero() && d.examples == nil && !d.given }

// open is the data as internal packages take it, examples read into memory.
func (d Data) open() (data.Place, error) {
	if d.given {
		return data.Place{}, errors.New("data: Files and Texts have no answers: give a Folder, FS or Examples")
	}
	if d.examples == nil {
		if d.place.IsZero() {
			return d.place, errors.New("data: none given")
		}
		return d.place, nil
	}
	return feed.Collect(func(yield func(feed.Example, error) bool) {
		for e, err := range d.examples {
			if !yield(e.internal(), err) {
				return
			}
		}
	})
}

func (e Example) internal() feed.Example {
	x := feed.Example{Name: e.Name, Image: e.Image, Bytes: e.Bytes, Text: e.Text, Pair: e.Pair, Samples: e.Samples, Rate: e.Rate, Label: e.Label}
	if e.Tensors != nil {
		x.Tensors = map[string]*tensor.Tensor{}
		for name, t := range e.Tensors {
			x.Tensors[name] = t.t
		}
	}
	return x
}

// rows is the data as inputs of a model of a kind, without their answers.
func (d Data) rows(kind string) (data.Place, error) {
	switch {
	case d.given && d.texts != (kind == feed.KindText):
		return data.Place{}, fmt.Errorf("data: the model takes %ss: give them as Files, Texts or Examples", kind)
	case d.given:
		return feed.Inputs(kind, d.inputs), nil
	case d.examples == nil:
		return data.Place{}, errors.New("data: give what is to be predicted as Files, Texts or Examples")
	}
	return d.open()
}
