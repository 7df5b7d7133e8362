package feed

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// KindBytes is files of any kind, as their bytes.
const KindBytes = "file"

// Bytes feeds a model with the bytes of files.
type Bytes struct {
	data.Bytes
	notes []string
}

// takesBytes reports whether a model's only input may be bytes: integers [N,L] of a known L.
func takesBytes(m *onnx.Model) bool {
	in := m.Graph.Inputs
	if len(in) != 1 {
		return false
	}
	t := in[0].Type
	return (t.DType == tensor.Int32 || t.DType == tensor.Int64) && len(t.Shape) == 2 && t.Shape[1] > 1
}

func newBytes(m *onnx.Model, o Options) (*Bytes, error) {
	if !takesBytes(m) {
		return nil, fmt.Errorf("the model does not take bytes: that needs one input of int32 or int64 [N,L]")
	}
	in := m.Graph.Inputs[0]
	n := in.Type.Shape[1]
	f := &Bytes{Bytes: data.Bytes{Begin: n - n/2, End: n / 2, Block: 4096, Padding: 256}}
	path := o.Preprocess
	if path == "" && m.Path != "" {
		path = data.FindPreprocess(m.Path)
	}
	var err error
	text := []byte(o.Settings)
	if text == nil && path != "" {
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("--preprocess: %w", err)
		}
	}
	if text == nil {
		f.notes = append(f.notes, fmt.Sprintf("no preprocessor file beside the model: assuming %d bytes of a file's beginning and %d of its end, filled up with %d, as Magika has it (--preprocess names another)",
			f.Begin, f.End, f.Padding))
	} else {
		f.Bytes = data.Bytes{}
		if err := json.Unmarshal(text, &f.Bytes); err != nil {
			return nil, fmt.Errorf("preprocess %s: %w", path, err)
		}
	}
	if f.Begin < 0 || f.Middle < 0 || f.End < 0 || f.Len() != n || f.Padding < 0 || f.Padding > 1<<16-1 || f.Block < 0 || f.Block > 1<<24 {
		return nil, fmt.Errorf("preprocess %s: beg_size %d, mid_size %d and end_size %d do not make the %d numbers that the model takes, or a number is out of range",
			path, f.Begin, f.Middle, f.End, n)
	}
	f.Input, f.DType = in.Name, in.Type.DType
	return f, nil
}

func (*Bytes) Kind() string      { return KindBytes }
func (f *Bytes) Notes() []string { return f.notes }

func (f *Bytes) Digest() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "bytes/1 %+v", f.Bytes))
}

func (f *Bytes) Settings() (json.RawMessage, error) { return json.Marshal(f.Bytes) }

// options say that files are taken as bytes.
func (f *Bytes) options(opt data.Options) (data.Options, error) {
	if opt.AugmentSpec != "" && opt.AugmentSpec != "none" {
		return opt, fmt.Errorf("--augment %s: bytes of files are not augmented", opt.AugmentSpec)
	}
	b := f.Bytes
	opt.Bytes = &b
	return opt, nil
}

func (f *Bytes) Open(ctx context.Context, path string, opt data.Options) (train, val *data.Dataset, err error) {
	if opt, err = f.options(opt); err != nil {
		return nil, nil, err
	}
	return data.Open(ctx, path, opt)
}

func (f *Bytes) OpenEval(ctx context.Context, path string, classes []string, opt data.Options) (*data.Dataset, error) {
	opt, err := f.options(opt)
	if err != nil {
		return nil, err
	}
	return data.OpenEval(ctx, path, classes, opt)
}

func (f *Bytes) OpenInputs(ctx context.Context, inputs []string, opt data.Options) (*data.Dataset, error) {
	opt, err := f.options(opt)
	if err != nil {
		return nil, err
	}
	return data.OpenFiles(ctx, inputs, opt)
}
