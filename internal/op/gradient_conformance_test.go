package op_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestGradientConformance differentiates a random projection of the outputs of every ONNX case that
// passes, with respect to every floating-point input, at the case's own shapes in float64, and
// compares with finite differences. What has no gradient must say so and name its node.
func TestGradientConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	dirs, err := filepath.Glob(filepath.Join(shared.Path(t, "onnx-cases"), "*", "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	var checked, none int
	for _, path := range dirs {
		name := strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "test_")
		if strings.HasSuffix(name, "_expanded") || strings.Contains(name, "_expanded_ver") {
			continue // the same function written out
		}
		in, err := readTensors(filepath.Join(filepath.Dir(path), "test_data_set_0", "input_*.pb"))
		if err != nil {
			continue
		}
		if _, err := run(path, in); err != nil || strings.HasPrefix(name, "batchnorm_e") {
			continue // a norm's running statistics have no gradient by definition here
		}
		ok, err := checkGradient(path, in, 99)
		if err != nil && strings.Contains(err.Error(), "no gradient") { // of a mean or a mask beside the result
			ok, err = checkGradient(path, in, 1)
		}
		switch {
		case err != nil && strings.Contains(err.Error(), "no gradient"):
			none++
			t.Logf("%s: %v", name, err)
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case ok:
			checked++
		}
	}
	t.Logf("%d gradients agree, %d say that they do not exist", checked, none)
	if checked < 400 {
		t.Errorf("only %d gradients were checked", checked)
	}
}

// widened is a model in float64 at the shapes of its inputs, specialised.
func widened(path string, in []*tensor.Tensor) (*ir.Graph, []*tensor.Tensor, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, nil, err
	}
	raw := m.Graph
	wide := func(x *tensor.Tensor) *tensor.Tensor {
		if x == nil || x.DType != tensor.Float32 {
			return x
		}
		return tensor.Of(x.Float64s(), x.Shape...)
	}
	for _, n := range raw.Nodes {
		for _, v := range n.Inputs {
			if v != nil && v.Data != nil && v.Data.DType == tensor.Float32 {
				v.Data = wide(v.Data)
				v.Type = ir.TypeOf(v.Data)
			}
		}
	}
	shapes := map[string]tensor.Shape{}
	in = slices.Clone(in)
	for i, v := range raw.Inputs[:len(in)] {
		in[i] = wide(in[i])
		v.Type.DType = in[i].DType
		shapes[v.Name] = in[i].Shape
	}
	g, err := compile.Model(raw, compile.Options{Shapes: shapes, Plain: true})
	return g, in, err
}

// checkGradient differentiates the first outputs and reports whether there was something to
// differentiate.
func checkGradient(path string, in []*tensor.Tensor, outputs int) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	g, in, err := widened(path, in)
	if err != nil {
		return false, nil // float32 is written into the model
	}
	r := rand.New(rand.NewPCG(1, 2))
	b := ir.NewBuilder(g, "projection")
	var loss *ir.Value
	for _, y := range g.Outputs[:min(outputs, len(g.Outputs))] {
		if y.Type.DType != tensor.Float64 {
			continue
		}
		p := make([]float64, y.Type.Shape.Len())
		for i := range p {
			p[i] = 2*r.Float64() - 1
		}
		s := b.Op("ReduceSum", ir.Attrs{"keepdims": 0}, b.Op("Mul", nil, y, b.Const(tensor.Of(p, y.Type.Shape...))))
		if loss == nil {
			loss = s
		} else {
			loss = b.Op("Add", nil, loss, s)
		}
	}
	if err := b.Err(); err != nil || loss == nil {
		return false, err
	}
	g.Outputs = []*ir.Value{loss}
	var wrt []*ir.Value
	var at []int
	var none error
	for i, v := range g.Inputs {
		if v.Type.DType != tensor.Float64 || v.Type.Shape.Len() == 0 || !grad.Live(g, []*ir.Value{v})[loss] {
			continue
		}
		c := clone(g)
		if _, err := grad.Differentiate(c, c.Outputs[0], c.Inputs[i:i+1]); err != nil {
			none = err // some inputs have no gradient, others do
			continue
		}
		wrt, at = append(wrt, v), append(at, i)
	}
	if len(wrt) == 0 {
		return false, none
	}
	forward, err := compile.Region(clone(g), compile.Memory{})
	if err != nil {
		return false, err
	}
	ds, err := grad.Differentiate(g, loss, wrt)
	if err != nil {
		return false, err
	}
	for _, d := range ds {
		if d != nil {
			g.Outputs = append(g.Outputs, d)
		}
	}
	if err := ir.Verify(g); err != nil {
		return false, err
	}
	backward, err := compile.Region(g, compile.Memory{})
	if err != nil {
		return false, err
	}
	ctx := context.Background()
	out, err := backward.Run(ctx, in...)
	if err != nil {
		return false, err
	}
	value := func(i, j int, h float64) float64 {
		x := in[i].Clone()
		tensor.Data[float64](x)[j] += h
		args := slices.Clone(in)
		args[i] = x
		y, e := forward.Run(ctx, args...)
		if e != nil {
			err = e
			return 0
		}
		return y[0].Float64s()[0]
	}
	samples, size := 5, 0
	for _, x := range in {
		size += x.Len()
	}
	if size > 10000 {
		samples = 1
	}
	k := 1
	for w, d := range ds {
		n := wrt[w].Type.Shape.Len()
		got := make([]float64, n)
		if d != nil {
			copy(got, out[k].Float64s())
			k++
		}
		for range min(n, samples) {
			j := r.IntN(n)
			const h = 1e-6
			mid := value(at[w], j, 0)
			left, right := (mid-value(at[w], j, -h))/h, (value(at[w], j, h)-mid)/h
			if err != nil {
				return false, err
			}
			// Between the slopes on both sides, which differ at a kink; a step has none.
			tol := 1e-4 + 2e-4*math.Abs(left)
			lo, hi := min(left, right)-tol, max(left, right)+tol
			if math.Abs(left) > 1e4 || math.Abs(right) > 1e4 || !(math.Abs(mid) < 1e6) {
				continue
			}
			if !(got[j] >= lo && got[j] <= hi) {
				return false, fmt.Errorf("gradient of input %d at element %d is %g, want %g to %g", at[w], j, got[j], left, right)
			}
		}
	}
	return true, nil
}

// clone copies a graph, so that compiling it leaves the original as it is.
func clone(g *ir.Graph) *ir.Graph {
	c := *g
	c.Nodes = nil
	c.Outputs = nil
	m := map[*ir.Value]*ir.Value{}
	value := func(v *ir.Value) *ir.Value {
		if v == nil {
			return nil
		}
		if m[v] == nil {
			w := *v
			m[v] = &w
		}
		return m[v]
	}
	c.Inputs = nil
	for _, v := range g.Inputs {
		c.Inputs = append(c.Inputs, value(v))
	}
	for _, n := range g.Nodes {
		k := *n
		k.Inputs, k.Outputs = nil, nil
		for _, v := range n.Inputs {
			k.Inputs = append(k.Inputs, value(v))
		}
		for _, v := range n.Outputs {
			w := value(v)
			if w != nil {
				w.Node = &k
			}
			k.Outputs = append(k.Outputs, w)
		}
		c.Nodes = append(c.Nodes, &k)
	}
	for _, v := range g.Outputs {
		c.Outputs = append(c.Outputs, value(v))
	}
	return &c
}
