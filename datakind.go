package permafrost

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// DataKind is a kind of data of one's own: files of a format, each of which gives a tensor for each
// input of a model. A folder, an FS or Examples of Bytes hold them as they hold pictures.
type DataKind struct {
	// Name is what Model.Kind and a tuned file call it, in the singular.
	Name string
	// Extensions are those of its files, as .npy.
	Extensions []string
	// Version names what Decode does. It changes whenever Decode gives something else for a file,
	// so that nothing that was computed from the former is used.
	Version string
	// Takes reports whether a model with these inputs takes the kind. Kinds that are registered are
	// asked before those that are built in, the latest first.
	Takes func(inputs []ModelInput) bool
	// Decode gives the tensors of a file by the names of the inputs, without the batch axis. An
	// error says that the file is damaged: it is left out. Decode is called by many goroutines at
	// once.
	Decode func(file []byte) (map[string]Tensor, error)
}

// ModelInput is an input of a model.
type ModelInput struct {
	Name  string
	Type  string // of its elements, as ONNX writes it: float32, int64, ...
	Shape []int  // its sizes, the batch first; -1 for one that is open
}

// RegisterDataKind makes a kind of data known to all calls afterwards. It is for an init function:
// it must not run beside other calls of this package. It errors on a kind that is incomplete or
// known already. A program that predicts with a model of the kind registers it too.
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
