package permafrost

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// DataKind is a data kind of your own: files in a format that yields a tensor for each input of a
// model. A folder, an FS or Examples of Bytes can hold such files, just like pictures.
type DataKind struct {
	// Name is the kind's name in Model.Kind and in a tuned file, in the singular.
	Name string
	// Extensions are the extensions of its files, such as .npy.
	Extensions []string
	// Version is the version of Decode. Change it when Decode's result for any file changes, so
	// that values computed from the old result are not reused.
	Version string
	// Takes reports whether a model with these inputs takes the kind. Registered kinds are asked
	// before the built-in ones, latest first.
	Takes func(inputs []ModelInput) bool
	// Decode returns the tensors of a file by input name, without the batch axis. An error means
	// that the file is damaged; it is skipped. Decode is called from many goroutines at once.
	Decode func(file []byte) (map[string]Tensor, error)
}

// ModelInput is an input of a model.
type ModelInput struct {
	Name  string
	Type  string // of its elements, in ONNX's spelling: float32, int64, ...
	Shape []int  // its sizes, batch first; -1 for an open one
}

// RegisterDataKind registers a data kind for all later calls. Call it from an init function: it
// must not run at the same time as other calls of this package. It errors if the kind is incomplete
// or already registered. A program that predicts with a model of this kind must register it too.
func RegisterDataKind(k DataKind) error {
	if k.Takes == nil || k.Decode == nil {
		return badInput(fmt.Errorf("kind of data %q: it needs Takes and Decode", k.Name))
	}
	format := feed.FileFormat{Name: k.Name, Extensions: k.Extensions, Version: k.Version}
	format.Takes = func(m *onnx.Model, _ feed.Options) (bool, error) {
		var in []ModelInput
		for _, v := range m.Graph.Inputs {
			in = append(in, ModelInput{v.Name, v.Type.DType.String(), v.Type.Shape.Clone()})
		}
		return k.Takes(in), nil
	}
	format.Decode = func(file []byte) (map[string]*tensor.Tensor, error) {
		all, err := k.Decode(file)
		if err != nil {
			return nil, err
		}
		out := map[string]*tensor.Tensor{}
		for name, t := range all {
			if t.t != nil {
				out[name] = t.t
			}
		}
		return out, nil
	}
	return badInput(feed.Register(format.Kind()))
}
