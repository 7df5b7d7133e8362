package feed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"iter"
	"math"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Example is one example in memory. It is one of: a picture, a file's bytes, one or two texts,
// samples of a sound, a vector, or a tensor for each input of the model.
type Example struct {
	Name    string // in messages; "" for its number
	Image   image.Image
	Bytes   []byte // an encoded picture or sound, or any file for a model of bytes
	Text    string
	Pair    *string // the second of two texts
	Samples []float32
	Rate    int // samples per second
	Vector  []float32
	Tensors map[string]*tensor.Tensor
	Label   string // the right answer as a table has it; "" for none
}

// inMemory is the name in messages for examples that come from no file.
const inMemory = "examples"

// Collect reads examples into memory. Each is stored as the file that it would be on disk, and then
// prepared, checked, digested and cached like a file. It errors on an example without content or
// with two contents, and on examples of different kinds.
func Collect(seq iter.Seq2[Example, error]) (data.Place, error) {
	files := data.Memory{}
	t := &data.Table{Path: inMemory}
	kind, labelled, paired := "", false, false
	var rows []Example
	for e, err := range seq {
		n := len(rows) + 1
		if err != nil {
			return data.Place{}, fmt.Errorf("data: example %d: %w", n, err)
		}
		if e.Name == "" {
			e.Name = fmt.Sprint("example ", n)
		}
		k, file, err := e.file()
		if err == nil && n > 1 && k != kind {
			err = fmt.Errorf("it is a %s, and the first one is a %s", what(k), what(kind))
		}
		if _, again := files[e.Name]; err == nil && again {
			err = fmt.Errorf("two examples have the name %s", e.Name)
		}
		if err != nil {
			return data.Place{}, fmt.Errorf("data: example %d: %w", n, err)
		}
		kind, files[e.Name] = k, file
		labelled, paired = labelled || e.Label != "", paired || e.Pair != nil
		rows = append(rows, Example{Name: e.Name, Text: e.Text, Pair: e.Pair, Vector: e.Vector, Label: e.Label})
	}
	if len(rows) == 0 {
		return data.Place{}, errors.New("data: no example given")
	}
	switch {
	case kind == KindVector:
		t.Columns = []string{inMemoryColumn, "name"}
	case kind != KindText:
		t.Columns = []string{"file"}
	case paired:
		t.Columns = []string{"text_a", "text_b"}
	default:
		t.Columns = []string{"text"}
	}
	if labelled {
		t.Columns = append(t.Columns, "label")
	}
	for i, e := range rows {
		row := []string{e.Name}
		switch kind {
		case KindText:
			row[0] = e.Text
		case KindVector:
			row = []string{vectorCell(e.Vector), e.Name}
		}
		if paired {
			if e.Pair == nil {
				return data.Place{}, fmt.Errorf("data: example %d: it is one text, and others are two", i+1)
			}
			row = append(row, *e.Pair)
		}
		if labelled {
			row = append(row, e.Label)
		}
		t.Rows, t.Lines = append(t.Rows, row), append(t.Lines, i+1)
	}
	if kind == KindText || kind == KindVector {
		files = nil
	}
	return data.Place{FS: files, Path: inMemory, Rows: t, Kind: kind}, nil
}

func what(kind string) string {
	if kind == "" {
		return KindBytes
	}
	return kind
}

// file returns the example's kind, "" if its bytes may be of several kinds, and its contents as a
// file.
func (e *Example) file() (kind string, file []byte, err error) {
	n := 0
	is := func(given bool, k string) {
		if given {
			kind, n = k, n+1
		}
	}
	is(e.Image != nil, KindPicture)
	is(e.Bytes != nil, "")
	is(e.Text != "" || e.Pair != nil, KindText)
	is(e.Samples != nil, KindSound)
	is(e.Vector != nil, KindVector)
	is(e.Tensors != nil, KindTensors)
	switch {
	case n == 0:
		return "", nil, errors.New("it is empty: give a picture, bytes, a text, samples, a vector or tensors")
	case n > 1:
		return "", nil, errors.New("it is several things at once: give one of a picture, bytes, a text, samples, a vector and tensors")
	case kind == KindVector && len(e.Vector) == 0:
		return "", nil, errors.New("its vector has no numbers")
	case kind == KindSound && e.Rate <= 0:
		return "", nil, fmt.Errorf("samples need the rate at which they were taken, not %d", e.Rate)
	}
	switch kind {
	case KindPicture:
		if b := e.Image.Bounds(); b.Empty() {
			return "", nil, fmt.Errorf("a picture of %dx%d pixels", b.Dx(), b.Dy())
		}
		return kind, picture.Encode(e.Image), nil
	case KindSound:
		return kind, wave(e.Samples, e.Rate), nil
	case KindTensors:
		for name, t := range e.Tensors {
			if t == nil {
				return "", nil, fmt.Errorf("tensor %q is none", name)
			}
		}
		var b bytes.Buffer
		err := safetensors.Write(&b, safetensors.File{Tensors: e.Tensors})
		return kind, b.Bytes(), err
	}
	return kind, e.Bytes, nil
}

// vectorCell writes a vector as a cell of a table, so that the same numbers are read from it.
func vectorCell(v []float32) string {
	var b []byte
	for _, x := range v {
		b = append(strconv.AppendFloat(b, float64(x), 'g', -1, 32), ' ')
	}
	return string(b)
}

// wave returns a WAV file with floating-point samples.
func wave(samples []float32, rate int) []byte {
	le := binary.LittleEndian
	n := uint32(4 * len(samples))
	b := le.AppendUint32([]byte("RIFF"), 36+n)
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(le.AppendUint16(b, 3), 1) // floating point, one channel
	b = le.AppendUint32(le.AppendUint32(b, uint32(rate)), uint32(4*rate))
	b = le.AppendUint16(le.AppendUint16(b, 4), 32)
	b = le.AppendUint32(append(b, "data"...), n)
	for _, v := range samples {
		b = le.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
