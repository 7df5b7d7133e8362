package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/testcase"
)

// CaseOptions say how close outputs must be: a number agrees if it differs by at most AbsTol +
// RelTol*|expected|.
type CaseOptions struct {
	RelTol float64
	AbsTol float64
	// Threads is the number of threads to use. 0: one per core. Results do not depend on it.
	Threads int
}

// CaseResult says how well a model agrees with recorded outputs. Its JSON form is what run --json
// prints.
type CaseResult struct {
	Pass    bool         `json:"pass"`
	MaxAbs  float64      `json:"max_abs_error"`
	MaxRel  float64      `json:"max_rel_error"`
	Outputs []CaseOutput `json:"outputs"`
	Why     string       `json:"-"` // the first difference
}

// CaseOutput is one output of the model.
type CaseOutput struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

// RunCase runs a model on the inputs of a data set in the ONNX test format, dir/input_0.pb and so
// on, and compares the outputs with dir/output_0.pb and so on. If dir contains folders
// test_data_set_*, it runs all of them. A difference is not an error.
func RunCase(ctx context.Context, model, dir string, o CaseOptions) (*CaseResult, error) {
	defer kernel.Use(o.Threads)()
	if err := fetched(ctx, nil, &model); err != nil {
		return nil, err
	}
	r, err := testcase.Run(ctx, model, dir, tensor.Tolerance{Name: "option rtol, option atol", Rel: o.RelTol, Abs: o.AbsTol})
	if err != nil {
		return nil, badInput(err)
	}
	return &CaseResult{
		Pass: r.Pass, MaxAbs: r.MaxAbs, MaxRel: r.MaxRel, Why: r.Why,
		Outputs: each(r.Outputs, func(out testcase.Output) CaseOutput { return CaseOutput(out) }),
	}, nil
}
