package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// vectorScale says what is taken off the numbers, and what they are divided by then: one number for
// all, or one for each. Empty slices change nothing.
type vectorScale struct {
	Mean numberOrList `json:"mean,omitempty"`
	Std  numberOrList `json:"std,omitempty"`
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
	if errors.Is(err, fs.ErrNotExist) {
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
