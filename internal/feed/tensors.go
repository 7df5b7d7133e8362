package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Tensors feeds a model of any inputs with tensors: an example is a file of the form safetensors
// with one for each input, by its name and without the batch axis. It is a row of the model.
type Tensors struct {
	Files
	form data.Form
}

// takesOnlyTensors reports whether a model has several inputs, which no other kind of data feeds.
func takesOnlyTensors(m *onnx.Model, o Options) (bool, error) {
	return len(m.Graph.Inputs) > 1 && o.Preprocess == "", nil
}

func newTensors(m *onnx.Model, o Options) (Feed, error) {
	if o.Preprocess != "" {
		return nil, fmt.Errorf("option preprocess %s: tensors are taken as they are", o.Preprocess)
	}
	f := &Tensors{form: data.Form{Rows: true, Most: 1}}
	f.Files = NewFiles(KindTensors, f.media)
	for _, in := range m.Graph.Inputs {
		s := in.Type.Shape
		if len(s) == 0 || slices.Contains(s[1:], -1) {
			return nil, fmt.Errorf("the model's input %q is %v: tensors need a batch axis and fixed sizes behind it; export the model with these", in.Name, in.Type)
		}
		f.form.Inputs = append(f.form.Inputs, data.Input{Name: in.Name, DType: in.Type.DType, Shape: s[1:].Clone()})
	}
	if len(f.form.Inputs) == 0 {
		return nil, fmt.Errorf("the model has no input")
	}
	return f, nil
}

func (f *Tensors) Form() data.Form { return f.form }
func (f *Tensors) Digest() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "tensors/1 %+v", f.form))
}
func (f *Tensors) Keeps() (what, form string)         { return "", "" }
func (f *Tensors) Settings() (json.RawMessage, error) { return json.RawMessage("{}"), nil }
func (f *Tensors) Notes() []string                    { return nil }

func (f *Tensors) media(augment string) (*data.Media, error) {
	if (data.Options{Augment: augment}).Augmented() {
		return nil, fmt.Errorf("option augment %s: tensors are not augmented", augment)
	}
	return &data.Media{One: "tensor file", Many: "tensor files", Formats: "safetensors", Extensions: []string{".safetensors"},
		Source: func(s data.Setting) data.Source { return &tensorFiles{s.Files, f} }}, nil
}

// maxTensors bounds a file of tensors in bytes.
const maxTensors = 1 << 30

// tensorFiles is the Source of files of tensors.
type tensorFiles struct {
	files *data.Files
	feed  *Tensors
}

func (s *tensorFiles) Form() data.Form { return s.feed.form }
func (s *tensorFiles) Length(int) int  { return 1 }

// read reads file i: a tensor for each input of the model.
func (s *tensorFiles) read(i int) ([]*tensor.Tensor, error) {
	b, _, err := s.files.Read(i, maxTensors)
	if err != nil {
		return nil, err
	}
	if err := s.files.Settle(i, sha256.Sum256(b)); err != nil {
		return nil, err
	}
	r, err := safetensors.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	out := make([]*tensor.Tensor, len(s.feed.form.Inputs))
	for k, in := range s.feed.form.Inputs {
		if _, ok := r.Info(in.Name); !ok {
			return nil, fmt.Errorf("no tensor for the model's input %q: there are %q", in.Name, r.Names())
		}
		t, err := r.Tensor(in.Name)
		if err != nil {
			return nil, err
		}
		if t.DType != in.DType || !t.Shape.Equal(in.Shape) {
			return nil, fmt.Errorf("the tensor for the model's input %q is %v%v: the input takes %v%v", in.Name, t.DType, t.Shape, in.DType, in.Shape)
		}
		out[k] = t
	}
	return out, nil
}

func (s *tensorFiles) Check(i int) error {
	_, err := s.read(i)
	return err
}

// Digest is that of the file.
func (s *tensorFiles) Digest(i int) ([sha256.Size]byte, error) {
	if sum, ok := s.files.Sum(i); ok {
		return sum, nil
	}
	err := s.Check(i)
	sum, _ := s.files.Sum(i)
	return sum, err
}

func (s *tensorFiles) Read(i int, _ *data.Draw, dst []*tensor.Tensor) error {
	ts, err := s.read(i)
	if err != nil {
		return err
	}
	for k, t := range ts {
		copy(dst[k].Bytes, t.Bytes)
	}
	return nil
}
