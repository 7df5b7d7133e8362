// Package testcase runs models on recorded inputs and compares what comes out with recorded
// outputs: the ONNX test format, folders with input_0.pb, output_0.pb and so on. In come a model's
// path and a folder; out comes how far they agree.
package testcase

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Result is how far a model agrees with what was recorded.
type Result struct {
	Pass    bool
	MaxAbs  float64 // largest absolute difference
	MaxRel  float64 // largest relative difference
	Outputs []Output
	Why     string // the first difference
}

// Output is one result of the model.
type Output struct {
	Name  string
	DType string
	Shape []int
}

// Run runs a model on the data sets in dir: dir itself, or the folders test_data_set_* in it. A
// number agrees when it differs by at most the tolerance.
func Run(ctx context.Context, model, dir string, tol tensor.Tolerance) (*Result, error) {
	sets, err := dataSets(dir)
	if err != nil {
		return nil, err
	}
	r := &Result{Pass: true, Outputs: []Output{}}
	for _, set := range sets {
		if err := r.dataSet(ctx, model, set, tol); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// dataSets lists the data sets in dir.
func dataSets(dir string) ([]string, error) {
	for _, pattern := range []string{"input_*.pb", "output_*.pb"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return []string{dir}, nil
		}
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil {
		return nil, err
	}
	if len(sets) == 0 {
		return nil, fmt.Errorf("option data_set %s: holds no input_*.pb or output_*.pb", dir)
	}
	return sets, nil
}

// dataSet runs the model on one data set and compares.
func (r *Result) dataSet(ctx context.Context, model, dir string, tol tensor.Tolerance) error {
	in, err := readTensors(filepath.Join(dir, "input_*.pb"))
	if err != nil {
		return err
	}
	want, err := readTensors(filepath.Join(dir, "output_*.pb"))
	if err != nil {
		return err
	}
	got, names, err := runModel(ctx, model, in)
	if err != nil {
		return err
	}
	if len(got) < len(want) {
		return fmt.Errorf("%s: %d outputs are recorded, the model has %d", dir, len(want), len(got))
	}
	for i, t := range got {
		r.Outputs = append(r.Outputs, Output{names[i], t.DType.String(), append([]int{}, t.Shape...)})
		if i < len(want) {
			r.compare(fmt.Sprintf("%s: output %q", filepath.Base(dir), names[i]), t, want[i], tol)
		}
	}
	return nil
}

func (r *Result) compare(what string, got, want *tensor.Tensor, tol tensor.Tolerance) {
	fail := func(err error) {
		r.Pass = false
		r.Why = cmp.Or(r.Why, fmt.Sprintf("%s: %v", what, err))
	}
	if got.DType != want.DType {
		fail(fmt.Errorf("is %v, want %v", got.DType, want.DType))
		return
	}
	if err := tensor.Close(got, want, tol); err != nil {
		fail(err)
	}
	if !got.Shape.Equal(want.Shape) {
		return
	}
	w := want.Float64s()
	for i, g := range got.Float64s() {
		if g == w[i] || math.IsNaN(g) && math.IsNaN(w[i]) {
			continue
		}
		abs := min(math.Abs(g-w[i]), math.MaxFloat64) // JSON has no infinity
		if math.IsNaN(abs) {
			abs = math.MaxFloat64
		}
		r.MaxAbs = max(r.MaxAbs, abs)
		if w[i] != 0 && !math.IsInf(w[i], 0) && !math.IsNaN(w[i]) {
			r.MaxRel = max(r.MaxRel, min(abs/math.Abs(w[i]), math.MaxFloat64))
		}
	}
}

// readTensors reads the files of a pattern in the order of their numbers.
func readTensors(pattern string) ([]*tensor.Tensor, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	var ts []*tensor.Tensor
	for _, p := range paths {
		_, t, err := onnx.ReadTensor(p)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}

// runModel compiles a model for the inputs' shapes and runs it. Where the shape of a result depends
// on what an input holds, the model is compiled for the inputs themselves.
func runModel(ctx context.Context, path string, in []*tensor.Tensor) ([]*tensor.Tensor, []string, error) {
	out, names, err := compileAndRun(ctx, path, in, false)
	if err != nil && ctx.Err() == nil {
		if again, names, e := compileAndRun(ctx, path, in, true); e == nil {
			return again, names, nil
		}
	}
	return out, names, err
}

func compileAndRun(ctx context.Context, path string, in []*tensor.Tensor, known bool) ([]*tensor.Tensor, []string, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, nil, err
	}
	raw := m.Graph
	if len(in) > len(raw.Inputs) {
		return nil, nil, fmt.Errorf("%d inputs are recorded, the model has %d", len(in), len(raw.Inputs))
	}
	shapes := map[string]tensor.Shape{}
	for i, v := range raw.Inputs[:len(in)] {
		if v.Type.DType != in[i].DType && v.Type.DType != tensor.Invalid {
			return nil, nil, fmt.Errorf("input %q is %v, recorded as %v", v.Name, v.Type.DType, in[i].DType)
		}
		v.Type.DType = in[i].DType
		shapes[v.Name] = in[i].Shape
		if known {
			v.Kind, v.Data, v.Type = ir.Const, in[i], ir.TypeOf(in[i])
		}
	}
	if known {
		raw.Inputs, in = raw.Inputs[len(in):], nil
	}
	var names []string
	for _, v := range raw.Outputs {
		names = append(names, v.Name)
	}
	p, err := compile.Inference(raw, shapes, compile.Memory{})
	if err != nil {
		return nil, nil, err
	}
	out, err := p.Run(ctx, in...)
	return out, names, err
}
