package feed

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Bytes feeds a model with the bytes of files.
type Bytes struct {
	Files
	ByteRow
	input string
	dtype tensor.DType
	notes []string
}

// takesBytes reports whether a model's only input can be bytes: integers [N,L] with a fixed L. If
// the data are numbers, these are the integers.
func takesBytes(m *onnx.Model, o Options) (bool, error) {
	in := m.Graph.Inputs
	if len(in) != 1 || o.Kind == "" && o.looks.is(KindVector) {
		return false, nil
	}
	t := in[0].Type
	return (t.DType == tensor.Int32 || t.DType == tensor.Int64) && len(t.Shape) == 2 && t.Shape[1] > 1, nil
}

func newBytes(m *onnx.Model, o Options) (Feed, error) {
	if ok, _ := takesBytes(m, o); !ok {
		return nil, fmt.Errorf("the model does not take bytes: that needs one input of int32 or int64 [N,L]")
	}
	in := m.Graph.Inputs[0]
	n := in.Type.Shape[1]
	f := &Bytes{ByteRow: ByteRow{Begin: n - n/2, End: n / 2, Block: 4096, Padding: 256}}
	f.Files = NewFiles(KindBytes, f.media)
	path := o.Preprocess
	if path == "" {
		path = FindPreprocess(m.Path)
	}
	var err error
	text := []byte(o.Settings)
	if text == nil && path != "" {
		if text, err = os.ReadFile(path); err != nil {
			return nil, option.Errorf("preprocess", "%w", err)
		}
	}
	if text == nil {
		f.notes = append(f.notes, fmt.Sprintf("no preprocessor file beside the model: assuming %d bytes of a file's beginning and %d of its end, filled up with %d, as Magika has it (option preprocess names another)",
			f.Begin, f.End, f.Padding))
	} else {
		f.ByteRow = ByteRow{}
		if err := json.Unmarshal(text, &f.ByteRow); err != nil {
			return nil, fmt.Errorf("preprocess %s: %w", path, err)
		}
	}
	if f.Begin < 0 || f.Middle < 0 || f.End < 0 || f.Len() != n || f.Padding < 0 || f.Padding > 1<<16-1 || f.Block < 0 || f.Block > 1<<24 {
		return nil, fmt.Errorf("preprocess %s: beg_size %d, mid_size %d and end_size %d do not make the %d numbers that the model takes, or a number is out of range",
			path, f.Begin, f.Middle, f.End, n)
	}
	f.input, f.dtype = in.Name, in.Type.DType
	return f, nil
}

func (f *Bytes) Notes() []string { return f.notes }

func (f *Bytes) Digest() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "bytes/1 {Begin:%d Middle:%d End:%d Block:%d Padding:%d Input:%s DType:%v}", f.Begin, f.Middle, f.End, f.Block, f.Padding, f.input, f.dtype))
}

func (f *Bytes) Settings() (json.RawMessage, error) { return json.Marshal(f.ByteRow) }

// Form says that each file is one row.
func (f *Bytes) Form() data.Form {
	return data.Form{Inputs: []data.Input{{Name: f.input, DType: f.dtype, Shape: tensor.Shape{f.Len()}}}, Rows: true, Most: 1}
}

func (f *Bytes) Keeps() (what, form string) { return "", "" }

func (f *Bytes) media(augment string) (*data.Media, error) {
	if (data.Options{Augment: augment}).Augmented() {
		return nil, fmt.Errorf("option augment %s: bytes of files are not augmented", augment)
	}
	return &data.Media{One: "file", Many: "files", Formats: "any", Source: func(s data.Setting) data.Source { return &byteFiles{s.Files, f} }}, nil
}
