package permafrost

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"iter"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Data is a set of examples with their right answers: a folder or a table on disk or in any other
// file system, or examples in memory. Use it in place of a folder in Config.Data, see WithData. The
// zero Data is none. It is a value: several fits may use it at once, unless its Examples come from
// a sequence that can be read only once.
type Data struct {
	place    data.Place
	examples iter.Seq2[Example, error]
	inputs   []string // of Files or Texts
	given    bool     // inputs, though there may be none
	texts    bool     // inputs are Texts
}

// Folder is a folder of class folders, or a table, on disk, or a data set of the hub, as in
// Config.Data. README.md describes the layout.
func Folder(path string) Data { return Data{place: data.Place{Path: path}} }

// FS is the same in a file system: an archive, embedded files, or your own storage. root is the
// folder or the table in it, "." for all of it. Data kept between runs are found by the content of
// the files, not by their names.
func FS(fsys fs.FS, root string) Data { return Data{place: data.Place{FS: fsys, Path: root}} }

// Examples is examples in memory or from a stream. When a call opens the data, the sequence is read
// once, to its end or its first error. The examples stay in memory until the call ends; pictures
// and sounds given as Bytes stay encoded. What is kept between runs is keyed by their content.
func Examples(seq iter.Seq2[Example, error]) Data { return Data{examples: seq} }

// ExampleList is Examples from a list.
func ExampleList(list ...Example) Data {
	return Examples(func(yield func(Example, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	})
}

// Files are single files without answers, for Model.Predict. For a model of vectors or texts they
// are tables, and each row is an example.
func Files(paths ...string) Data { return Data{inputs: paths, given: true} }

// Texts are texts without answers, for Model.Predict. A tab separates the texts of a pair.
func Texts(texts ...string) Data { return Data{inputs: texts, given: true, texts: true} }

// Example is one example in memory, with its right answer if it has one. Give exactly one of Image,
// Bytes, Text, Samples, Vector and Tensors, the same one in all examples of a set.
type Example struct {
	Name string // in messages and in Prediction.Input; "" for "example N"

	Image   image.Image // a picture
	Bytes   []byte      // an encoded picture or sound, or any file for a model of bytes
	Text    string      // a text
	Pair    *string     // with Text: the second one of a pair
	Samples []float32   // a mono sound, full scale from -1 to 1
	Rate    int         // samples per second
	Vector  []float32   // numbers in the order of the model's axes
	// a tensor for each input of the model, by name, without the batch axis
	Tensors map[string]Tensor

	// Label is the right answer as in a table: the name of a class, several joined by "|", a
	// number, or a transcript. It is "" if a language model learns the text itself, and for
	// prediction.
	Label string
}

// IsZero reports whether there are no data.
func (d Data) IsZero() bool { return d.place.IsZero() && d.examples == nil && !d.given }

// open returns the data for internal packages, with examples read into memory, and fetched from the
// hub.
func (d Data) open(ctx context.Context, sinks ...report.Sink) (data.Place, error) {
	if d.given {
		return data.Place{}, errors.New("data: Files and Texts have no answers: give a Folder, FS or Examples")
	}
	if d.examples == nil {
		if d.place.IsZero() {
			return d.place, errors.New("data: none given")
		}
		if d.place.FS != nil {
			return d.place, nil
		}
		path := d.place.Path
		err := config.FetchData(ctx, &path, sinks...)
		return data.At(path), err
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
	x := feed.Example{Name: e.Name, Image: e.Image, Bytes: e.Bytes, Text: e.Text, Pair: e.Pair, Samples: e.Samples, Rate: e.Rate, Vector: e.Vector, Label: e.Label}
	if e.Tensors != nil {
		x.Tensors = map[string]*tensor.Tensor{}
		for name, t := range e.Tensors {
			x.Tensors[name] = t.t
		}
	}
	return x
}

// rows returns the data as inputs of a model of a kind, without their answers.
func (d Data) rows(ctx context.Context, kind string) (data.Place, error) {
	switch {
	case d.texts && kind != feed.KindText:
		return data.Place{}, fmt.Errorf("data: the model takes %ss: give them as Files or Examples", kind)
	case d.given && !d.texts:
		return feed.InputFiles(d.inputs), nil
	case d.given:
		return feed.Inputs(kind, d.inputs), nil
	case d.examples == nil:
		return data.Place{}, errors.New("data: give what is to be predicted as Files, Texts or Examples")
	}
	return d.open(ctx)
}
