package feed

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
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

// vectorScale says what is taken off the numbers, and what they are divided by then: one number for
// all, or one for each. Empty slices change nothing.
type vectorScale struct {
	Mean numberOrList `json:"mean,omitempty"`
	Std  numberOrList `json:"std,omitempty"`
}

// vectorSettings are the settings for vectors in the record.
type vectorSettings struct {
	vectorScale
	Names []string `json:"columns,omitempty"`
	Label string   `json:"label_column,omitempty"`
}

// numberOrList is one number or a list of them in JSON.
type numberOrList []float64

func (n *numberOrList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("[")) {
		return json.Unmarshal(b, (*[]float64)(n))
	}
	*n = make([]float64, 1)
	return json.Unmarshal(b, &(*n)[0])
}

// at is the number for index i, or other where there is none.
func (n numberOrList) at(i int, other float64) float64 {
	switch len(n) {
	case 0:
		return other
	case 1:
		return n[0]
	}
	return n[i]
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

// readScale reads the preprocessor file that option preprocess names, or the one beside the model.
func (f *Vectors) readScale(m *onnx.Model, o Options) error {
	path, named := o.Preprocess, true
	switch {
	case path == "raw":
		return nil
	case path == "" && o.Settings != nil:
		return f.scale.check(KeySettings, f.width())
	case path == "":
		if path = FindPreprocess(m.Path); path == "" {
			return nil
		}
		named = path == besideModel(m.Path, ".preprocessor.json", "")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return option.Errorf("preprocess", "%s: no such file: the model takes vectors: give raw, which feeds them as they are, or a file with mean and std", path)
	}
	if err != nil {
		return option.Errorf("preprocess", "%w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var scale vectorScale
	switch err := d.Decode(&scale); {
	case err != nil && !named:
		f.notes = append(f.notes, fmt.Sprintf("%s beside the model says nothing of vectors and is not heeded", filepath.Base(path)))
		return nil
	case err != nil:
		return option.Errorf("preprocess", "%s: %w: for vectors it has the keys mean and std; raw feeds them as they are", path, err)
	}
	f.scale = scale
	return f.scale.check(path, f.width())
}

func (s vectorScale) check(path string, width int) error {
	for _, of := range []struct {
		key     string
		numbers numberOrList
	}{{"mean", s.Mean}, {"std", s.Std}} {
		if n := len(of.numbers); n > 1 && n != width {
			return option.Errorf("preprocess", "%s: %s has %d numbers, and the model takes %d", path, of.key, n, width)
		}
		for _, v := range of.numbers {
			if math.IsInf(v, 0) || math.IsNaN(v) || of.key == "std" && v <= 0 {
				return option.Errorf("preprocess", "%s: %s holds %v", path, of.key, v)
			}
		}
	}
	return nil
}

// width is how many numbers a vector has.
func (f *Vectors) width() int { return f.input.Shape.Len() }

func (*Vectors) Kind() string      { return KindVector }
func (f *Vectors) Notes() []string { return f.notes }

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

// Open reads tables of numbers and labels.
func (f *Vectors) Open(ctx context.Context, p data.Place, opt data.Options) (train, val *data.Dataset, err error) {
	if err := suits(KindVector, opt.Table, p, opt.Val); err != nil {
		return nil, nil, err
	}
	parts, err := data.FindTables(p, opt.Val, opt.Table)
	if err != nil {
		return nil, nil, err
	}
	if parts.Train.IsZero() {
		return nil, nil, fmt.Errorf("data: %s: the model takes vectors: give %s, or a folder with train.csv and val.csv", p.Path, giveOf(KindVector))
	}
	said := ""
	train, val, err = openRows(parts, opt, func(p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
		d, fed, err := f.labelled(ctx, p, classes, opt)
		said = cmp.Or(said, fed)
		return d, err
	})
	if err == nil {
		train.Remarks = append([]string{said}, train.Remarks...)
	}
	return train, val, err
}

// OpenEval reads a table of numbers and labels for a model with known classes.
func (f *Vectors) OpenEval(ctx context.Context, p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
	if err := suits(KindVector, opt.Table, p); err != nil {
		return nil, err
	}
	t, remarks, err := data.EvalTable(p, opt.Table)
	if err != nil {
		return nil, err
	}
	if t.IsZero() {
		return nil, fmt.Errorf("data: %s: the model takes vectors: give %s, or a folder with val.csv", p.Path, giveOf(KindVector))
	}
	d, _, err := f.labelled(ctx, t, classes, opt)
	if err == nil {
		d.Remarks = append(d.Remarks, remarks...)
	}
	return d, err
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

// vectorType returns what writes a number into element i of a tensor of a type, nil for types that
// numbers of tables are not turned into. It errors on a number that the type does not hold.
func vectorType(dt tensor.DType) func(t *tensor.Tensor, i int, v float64) error {
	switch dt {
	case tensor.Float64:
		return func(t *tensor.Tensor, i int, v float64) error {
			tensor.Data[float64](t)[i] = v
			return nil
		}
	case tensor.Float32:
		return func(t *tensor.Tensor, i int, v float64) error {
			t.F32()[i] = float32(v)
			return within(dt, v, math.MaxFloat32)
		}
	case tensor.Float16:
		return func(t *tensor.Tensor, i int, v float64) error {
			tensor.Data[uint16](t)[i] = tensor.Float32ToFloat16(float32(v))
			return within(dt, v, 65504)
		}
	case tensor.BFloat16:
		return func(t *tensor.Tensor, i int, v float64) error {
			tensor.Data[uint16](t)[i] = tensor.Float32ToBFloat16(float32(v))
			return within(dt, v, 3.3895313892515355e38)
		}
	case tensor.Int64:
		return whole[int64](dt, -1<<53, 1<<53)
	case tensor.Int32:
		return whole[int32](dt, math.MinInt32, math.MaxInt32)
	case tensor.Int16:
		return whole[int16](dt, math.MinInt16, math.MaxInt16)
	case tensor.Int8:
		return whole[int8](dt, math.MinInt8, math.MaxInt8)
	case tensor.Uint16:
		return whole[uint16](dt, 0, math.MaxUint16)
	case tensor.Uint8:
		return whole[uint8](dt, 0, math.MaxUint8)
	}
	return nil
}

func within(dt tensor.DType, v, most float64) error {
	if math.Abs(v) > most {
		return fmt.Errorf("%g is out of the range of %v, which the model takes", v, dt)
	}
	return nil
}

// whole is vectorType for whole numbers.
func whole[T int8 | int16 | int32 | int64 | uint8 | uint16](dt tensor.DType, least, most float64) func(*tensor.Tensor, int, float64) error {
	return func(t *tensor.Tensor, i int, v float64) error {
		switch {
		case v != math.Trunc(v):
			return fmt.Errorf("%g is no whole number, and the model takes %v", v, dt)
		case v < least || v > most:
			return fmt.Errorf("%g is out of the range of %v, which the model takes", v, dt)
		}
		tensor.Data[T](t)[i] = T(v)
		return nil
	}
}

// giveOf says how examples of a kind are given.
func giveOf(kind string) string {
	return kinds[slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })].Give
}
