package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// FileFormat is a format of files that contain a tensor for each input of a model. Each example is
// one row.
type FileFormat struct {
	Name       string   // of the kind of data
	Extensions []string // of its files, such as .npy
	Version    string   // version of Decode: change it when Decode's result for any file changes

	// Takes reports whether a model takes files of this format; see Kind.Takes.
	Takes func(m *onnx.Model, o Options) (bool, error)
	// Decode returns the tensors by input name, without the batch axis. It errors on a damaged
	// file. It must be safe for concurrent use.
	Decode func(file []byte) (map[string]*tensor.Tensor, error)
}

// Kind returns the kind of data for files of this format.
func (f FileFormat) Kind() Kind {
	return Kind{f.Name, f.Takes, f.feed, f.Extensions, fmt.Sprintf("class folders of %s files", strings.Join(f.Extensions, " or "))}
}

// tensorFormat is safetensors, for models with any inputs.
var tensorFormat = FileFormat{Name: KindTensors, Extensions: []string{".safetensors"}, Version: "1", Takes: takesOnlyTensors, Decode: readSafetensors}

// takesOnlyTensors reports whether a model has several inputs, which no other kind of data can
// feed. Where the data are files of tensors, inputs that need not be fed count.
func takesOnlyTensors(m *onnx.Model, o Options) (bool, error) {
	return (len(m.Graph.Inputs) > 1 || len(m.Inputs) > 1 && o.looks.is(KindTensors)) && o.Preprocess == "", nil
}

func readSafetensors(file []byte) (map[string]*tensor.Tensor, error) {
	r, err := safetensors.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	all, err := r.All()
	if err != nil {
		return nil, err
	}
	return all.Tensors, nil
}

// Tensors feeds a model with tensors from files.
type Tensors struct {
	Files
	format FileFormat
	form   data.Form
}

func (format FileFormat) feed(m *onnx.Model, o Options) (Feed, error) {
	if o.Preprocess != "" {
		return nil, fmt.Errorf("option preprocess %s: the model takes %ss as they are", o.Preprocess, format.Name)
	}
	f := &Tensors{format: format, form: data.Form{Rows: true, Most: 1}}
	f.Files = NewFiles(format.Name, f.media)
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
	return sha256.Sum256(fmt.Appendf(nil, "%s/%s %+v", f.format.Name, f.format.Version, f.form))
}
func (f *Tensors) Keeps() (what, form string)         { return "", "" }
func (f *Tensors) Settings() (json.RawMessage, error) { return json.RawMessage("{}"), nil }
func (f *Tensors) Notes() []string                    { return nil }

func (f *Tensors) media(augment string) (*data.Media, error) {
	if (data.Options{Augment: augment}).Augmented() {
		return nil, fmt.Errorf("option augment %s: %ss are not augmented", augment, f.Kind())
	}
	return &data.Media{One: f.format.Name + " file", Many: f.format.Name + " files", Formats: strings.Join(f.format.Extensions, ", "), Extensions: f.format.Extensions,
		Source: func(s data.Setting) data.Source { return &tensorFiles{s.Files, f} }}, nil
}

// maxTensors limits the size of a file of tensors, in bytes.
const maxTensors = 1 << 30

// tensorFiles is the Source of files of tensors.
type tensorFiles struct {
	files *data.Files
	feed  *Tensors
}

func (s *tensorFiles) Form() data.Form { return s.feed.form }
func (s *tensorFiles) Length(int) int  { return 1 }

// read returns the tensors of file i, one for each input of the model.
func (s *tensorFiles) read(i int) ([]*tensor.Tensor, error) {
	b, _, err := s.files.Read(i, maxTensors)
	if err != nil {
		return nil, err
	}
	if err := s.files.Settle(i, sha256.Sum256(b)); err != nil {
		return nil, err
	}
	all, err := s.feed.format.Decode(b)
	if err != nil {
		return nil, err
	}
	out := make([]*tensor.Tensor, len(s.feed.form.Inputs))
	for k, in := range s.feed.form.Inputs {
		t := all[in.Name]
		if t == nil {
			return nil, fmt.Errorf("no tensor for the model's input %q: there are %q", in.Name, slices.Sorted(maps.Keys(all)))
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

// Digest returns the digest of the file.
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
