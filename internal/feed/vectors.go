package feed

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Vectors feeds a model with rows of numbers from tables: measurements, key points, features. A row
// of a table is a row of the model, its numbers in the order of the model's axes.
type Vectors struct {
	input   data.Input
	columns data.Columns
	names   []string // of the columns of numbers, in the model's order; nil: their order in a table counts
	scale   vectorScale
	notes   []string
}

// vectorSettings are the settings for vectors in the record.
type vectorSettings struct {
	vectorScale
	Names []string `json:"columns,omitempty"`
	Label string   `json:"label_column,omitempty"`
}

// shortestWaveform is the number of samples in a row from which numbers [N,S] are taken for sound
// rather than for a vector: half a second.
const shortestWaveform = 8000

// isWaveform reports whether a model's only input can be samples of sounds, float32 [N,S], with any
// S or a large one.
func isWaveform(m *onnx.Model) bool {
	in := m.Graph.Inputs
	if len(in) != 1 || in[0].Type.DType != tensor.Float32 || len(in[0].Type.Shape) != 2 {
		return false
	}
	n := in[0].Type.Shape[1]
	return n < 0 || n >= shortestWaveform
}

// takesVectors reports whether a model's only input is rows of a fixed number of numbers: [N,D],
// [N,T,D], or more axes of which all but one are 1. Whole numbers are bytes where the data are not
// numbers.
func takesVectors(m *onnx.Model, o Options) (bool, error) {
	in := m.Graph.Inputs
	if len(in) != 1 || vectorType(in[0].Type.DType) == nil || len(in[0].Type.Shape) < 2 {
		return false, nil
	}
	row := in[0].Type.Shape[1:]
	wide := 0
	for _, d := range row {
		if d < 1 {
			return false, nil
		}
		if d > 1 {
			wide++
		}
	}
	return len(row) <= 2 || wide <= 1, nil
}

func newVectors(m *onnx.Model, o Options) (Feed, error) {
	if ok, err := takesVectors(m, o); !ok || err != nil {
		return nil, fmt.Errorf("the model does not take vectors: that needs one input of numbers [N,D] or [N,T,D] with fixed sizes, and its inputs are%s; option shape fixes open ones", inputsOf(m.Graph))
	}
	if o.Table.Text != "" {
		return nil, option.Errorf("text_column", "%s: the model takes vectors, and no column of texts is read; leave it out", o.Table.Text)
	}
	if (data.Options{Augment: o.Augment}).Augmented() {
		return nil, option.Errorf("augment", "%s: vectors are not augmented", o.Augment)
	}
	in := m.Graph.Inputs[0]
	f := &Vectors{columns: o.Table, input: data.Input{Name: in.Name, DType: in.Type.DType, Shape: in.Type.Shape[1:].Clone()}}
	if o.Settings != nil {
		var set vectorSettings
		if err := json.Unmarshal(o.Settings, &set); err != nil {
			return nil, fmt.Errorf("%s: %w", KeySettings, err)
		}
		f.names, f.scale = set.Names, set.vectorScale
		if f.columns.Label == "" {
			f.columns.Label = set.Label
		}
	}
	if err := f.readScale(m, o); err != nil {
		return nil, err
	}
	return f, f.chooseColumns(o)
}

// width is how many numbers a vector has.
func (f *Vectors) width() int { return f.input.Shape.Len() }

func (*Vectors) Kind() string      { return KindVector }
func (f *Vectors) Notes() []string { return f.notes }

func (*Vectors) FindFiles(paths []string) ([]string, error) {
	return data.FindFiles(paths, vectorMedia)
}

// Form says that each vector is one row.
func (f *Vectors) Form() data.Form {
	return data.Form{Inputs: []data.Input{f.input}, Rows: true, Most: 1}
}

// Digest identifies the input. The numbers of a vector, as prepared, are its own digest.
func (f *Vectors) Digest() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "vectors/1 %+v", f.input))
}

func (f *Vectors) Keeps() (what, form string) { return "", "" }

func (f *Vectors) Settings() (json.RawMessage, error) {
	return json.Marshal(vectorSettings{f.scale, f.names, f.columns.Label})
}

// vectorMedia provides the words for vectors in messages.
var vectorMedia = &data.Media{One: "row", Many: "rows", Formats: "csv, tsv or jsonl", Extensions: data.TableFormats, Fault: "incomplete"}

// vectors is the Source of vectors: all of them, as the model takes them.
type vectors struct {
	feed *Vectors
	rows *tensor.Tensor // [N, shape of a row...]
}

func (s *vectors) Form() data.Form { return s.feed.Form() }
func (s *vectors) Length(int) int  { return 1 }

// row is the bytes of a vector.
func (s *vectors) row(i int) []byte {
	size := s.feed.width() * s.feed.input.DType.Size()
	return s.rows.Bytes[i*size : (i+1)*size]
}

func (s *vectors) Digest(i int) ([sha256.Size]byte, error) { return sha256.Sum256(s.row(i)), nil }

func (s *vectors) Read(i int, _ *data.Draw, dst []*tensor.Tensor) error {
	copy(dst[0].Bytes, s.row(i))
	return nil
}

// giveOf says how examples of a kind are given.
func giveOf(kind string) string {
	return kinds[slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })].Give
}
