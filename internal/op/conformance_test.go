package op_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

var update = flag.Bool("update", false, "write docs/conformance.md")

// wantPassed is the least number of cases that must pass; it only ever grows.
const wantPassed = 1235

// refusals are the cases outside what Permafrost is for, by a piece of the error that says so.
var refusals = []struct{ piece, reason string }{
	{"sequence", "values that are sequences or optional"},
	{"optional", "values that are sequences or optional"},
	{"Sequence", "values that are sequences or optional"},
	{"Optional", "values that are sequences or optional"},
	{"string", "strings"},
	{"String", "strings"},
	{"element type", "element types of 8 bits floating point and of 4 and 2 bits"},
	{"ai.onnx.preview.training", "training operators: training graphs are made here, not read"},
	{"ImageDecoder", "encoded images as tensors"},
	{"ai.onnx.ml", "classical machine learning (ai.onnx.ml)"},
}

type result struct {
	group, name    string
	passed         bool
	refused, error string
}

// TestConformance runs the public ONNX backend cases and the light models.
func TestConformance(t *testing.T) {
	root := shared.Path(t, "onnx-cases")
	var results []result
	for _, group := range []string{"node", "simple", "pytorch-operator", "pytorch-converted"} {
		dirs, err := filepath.Glob(filepath.Join(root, group, "*", "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range dirs {
			r := result{group: group, name: strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "test_")}
			r.judge(root, runCase(path))
			results = append(results, r)
		}
	}
	light, err := filepath.Glob(filepath.Join(root, "light", "*.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range light {
		r := result{group: "light", name: strings.TrimSuffix(filepath.Base(path), ".onnx")}
		if testing.Short() {
			continue
		}
		r.judge(root, runLight(path))
		if !r.passed {
			t.Errorf("%s: %s", r.name, r.error)
		}
		results = append(results, r)
	}
	passed := 0
	for _, r := range results {
		if r.passed && r.group != "light" {
			passed++
		}
		if !r.passed {
			t.Logf("%s/%s: %s", r.group, r.name, cmp.Or(r.error, r.refused))
		}
	}
	t.Logf("%d cases pass", passed)
	if passed < wantPassed {
		t.Errorf("%d cases pass, want at least %d", passed, wantPassed)
	}
	if *update {
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "conformance.md"), []byte(report(results)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// judge keeps the first line of the error, with paths below root.
func (r *result) judge(root string, err error) {
	if err == nil {
		r.passed = true
		return
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	r.error = strings.ReplaceAll(line, root+string(filepath.Separator), "")
	for _, f := range refusals {
		if strings.Contains(r.error, f.piece) {
			r.refused = f.reason
			return
		}
	}
}

// runCase runs one case on all its data sets.
func runCase(path string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	sets, err := filepath.Glob(filepath.Join(filepath.Dir(path), "test_data_set_*"))
	if err != nil {
		return err
	}
	for _, set := range sets {
		in, err := readTensors(filepath.Join(set, "input_*.pb"))
		if err != nil {
			return err
		}
		want, err := readTensors(filepath.Join(set, "output_*.pb"))
		if err != nil {
			return err
		}
		got, err := run(path, in)
		if err != nil {
			return err
		}
		if len(got) != len(want) {
			return fmt.Errorf("%d outputs, want %d", len(got), len(want))
		}
		for i := range want {
			if err := agree(path, got[i], want[i]); err != nil {
				return fmt.Errorf("output %d: %w", i, err)
			}
		}
	}
	return nil
}

// agree compares by ONNX's own tolerance, wider for half types. Of random outputs only the type is
// known.
func agree(path string, got, want *tensor.Tensor) error {
	if got.DType != want.DType {
		return fmt.Errorf("%v, want %v", got.DType, want.DType)
	}
	if strings.Contains(path, "bernoulli") || strings.Contains(path, "training_dropout") {
		if !got.Shape.Equal(want.Shape) {
			return fmt.Errorf("shape %v, want %v", got.Shape, want.Shape)
		}
		return nil
	}
	tol := tensor.Tolerance{Name: "onnx", Rel: 1e-3, Abs: 1e-6}
	switch want.DType {
	case tensor.Float16:
		tol = tensor.Tolerance{Name: "onnx float16", Rel: 2e-3, Abs: 1e-3}
	case tensor.BFloat16:
		tol = tensor.Tolerance{Name: "onnx bfloat16", Rel: 2e-2, Abs: 1e-3}
	}
	return tensor.Close(got, want, tol)
}

func readTensors(glob string) ([]*tensor.Tensor, error) {
	paths, err := filepath.Glob(glob)
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

// run compiles a model for the inputs' shapes; where a shape depends on data, for the inputs
// themselves.
func run(path string, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	out, err := runStatic(path, in, false)
	if err != nil {
		again, e := runStatic(path, in, true)
		if e == nil || strings.Contains(err.Error(), "depends on data") {
			return again, e
		}
	}
	return out, err
}

func runStatic(path string, in []*tensor.Tensor, known bool) ([]*tensor.Tensor, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	raw := m.Graph
	if len(in) > len(raw.Inputs) {
		return nil, fmt.Errorf("%d inputs for a graph of %d", len(in), len(raw.Inputs))
	}
	shapes := map[string]tensor.Shape{}
	for i, v := range raw.Inputs[:len(in)] {
		if v.Type.DType != in[i].DType && v.Type.DType != tensor.Invalid {
			return nil, fmt.Errorf("input %q is %v, given %v", v.Name, v.Type.DType, in[i].DType)
		}
		v.Type.DType = in[i].DType
		if known {
			v.Kind, v.Data, v.Type = ir.Const, in[i], ir.TypeOf(in[i])
		} else {
			shapes[v.Name] = in[i].Shape
		}
	}
	if known {
		raw.Inputs = raw.Inputs[len(in):]
		in = nil
	}
	g, err := compile.Model(raw, compile.Options{Shapes: shapes, Frozen: compile.All})
	if err != nil {
		return nil, err
	}
	if err := ir.Verify(g); err != nil {
		return nil, err
	}
	p, err := compile.Region(g, compile.Memory{})
	if err != nil {
		return nil, err
	}
	return p.Run(context.Background(), in...)
}

// runLight runs a light model. All its weights are equal, so the output does not depend on the
// input.
func runLight(path string) error {
	_, want, err := onnx.ReadTensor(strings.TrimSuffix(path, ".onnx") + "_output_0.pb")
	if err != nil {
		return err
	}
	m, err := onnx.Open(path)
	if err != nil {
		return err
	}
	in := m.Graph.Inputs[0]
	x := tensor.New(tensor.Float32, in.Type.Shape...)
	for i := range x.F32() {
		x.F32()[i] = float32(i) / float32(x.Len())
	}
	got, err := run(path, []*tensor.Tensor{x})
	if err != nil {
		return err
	}
	return agree(path, got[0], want)
}

// report is docs/conformance.md.
func report(results []result) string {
	var b strings.Builder
	b.WriteString("# Conformance\n\nThe public backend cases of ONNX and the light versions of classic networks, run by\n" +
		"`go test ./internal/op -run Conformance -update`, which wrote this page.\n\n" +
		"| group | cases | passed | refused by design | failing |\n|---|---|---|---|---|\n")
	groups := []string{"node", "simple", "pytorch-operator", "pytorch-converted", "light", ""}
	for _, g := range groups {
		var n, passed, refused int
		for _, r := range results {
			if r.group == g || g == "" {
				n++
				switch {
				case r.passed:
					passed++
				case r.refused != "":
					refused++
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", cmp.Or(g, "all"), n, passed, refused, n-passed-refused)
	}
	b.WriteString("\n## Refused by design\n")
	by := map[string][]string{}
	for _, r := range results {
		if !r.passed && r.refused != "" {
			by[r.refused] = append(by[r.refused], r.name)
		}
	}
	var reasons []string
	for k := range by {
		reasons = append(reasons, k)
	}
	slices.Sort(reasons)
	for _, k := range reasons {
		fmt.Fprintf(&b, "\n**%s** (%d): %s\n", k, len(by[k]), strings.Join(by[k], ", "))
	}
	b.WriteString("\n## Failing\n\n")
	none := true
	for _, r := range results {
		if !r.passed && r.refused == "" {
			none = false
			fmt.Fprintf(&b, "- %s: %s\n", r.name, r.error)
		}
	}
	if none {
		b.WriteString("None.\n")
	}
	return b.String()
}
