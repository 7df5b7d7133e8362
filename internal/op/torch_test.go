package op_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/op"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// torchCase is one case of testdata/torch_ops.json.gz, which torch_ops.py describes.
type torchCase struct {
	Name    string
	Version int
	IR      bool
	Nodes   []struct {
		Op    string
		Attrs map[string]any
		In    []string
		Out   string
	}
	Inputs map[string]torchTensor
	Y, DY  torchTensor
	Grads  map[string]torchTensor
}

type torchTensor struct {
	DType string
	Shape []int
	Data  []float64
	Const bool
}

func (t torchTensor) tensor() *tensor.Tensor {
	if t.DType == "int64" {
		x := tensor.New(tensor.Int64, t.Shape...)
		for i, v := range t.Data {
			x.I64()[i] = int64(v)
		}
		return x
	}
	x := tensor.New(tensor.Float32, t.Shape...)
	for i, v := range t.Data {
		x.F32()[i] = float32(v)
	}
	return x
}

// losses are functions that build losses, which cases name as if they were operators.
var losses = map[string]func(b *ir.Builder, a ir.Attrs, in []*ir.Value) *ir.Value{
	"BCEWithLogits": func(b *ir.Builder, a ir.Attrs, in []*ir.Value) *ir.Value {
		var positive *ir.Value
		if len(in) > 2 {
			positive = in[2]
		}
		return op.BCEWithLogits(b, in[0], in[1], positive, float64(a.Float("label_smoothing", 0)))
	},
	"MSE": func(b *ir.Builder, _ ir.Attrs, in []*ir.Value) *ir.Value { return op.MSE(b, in[0], in[1]) },
	"L1":  func(b *ir.Builder, _ ir.Attrs, in []*ir.Value) *ir.Value { return op.L1(b, in[0], in[1]) },
	"Huber": func(b *ir.Builder, a ir.Attrs, in []*ir.Value) *ir.Value {
		return op.Huber(b, in[0], in[1], float64(a.Float("delta", 1)))
	},
	"TokenCrossEntropy": func(b *ir.Builder, a ir.Attrs, in []*ir.Value) *ir.Value {
		return op.TokenCrossEntropy(b, a, in[0], in[1])
	},
}

// floatAttrs are the attributes that ONNX types as floats; JSON does not tell 1 from 1.0.
var floatAttrs = map[string]bool{"alpha": true, "beta": true, "epsilon": true, "label_smoothing": true, "delta": true}

// attrsOf types the attributes that JSON holds as numbers.
func attrsOf(m map[string]any) ir.Attrs {
	a := ir.Attrs{}
	for k, v := range m {
		switch v := v.(type) {
		case float64:
			if floatAttrs[k] {
				a[k] = float32(v)
			} else {
				a[k] = int(v)
			}
		case []any:
			is := make([]int, len(v))
			for i, x := range v {
				is[i] = int(x.(float64))
			}
			a[k] = is
		default:
			a[k] = v
		}
	}
	return a
}

// graph builds the case as a static graph and returns it with the names of its inputs.
func (c torchCase) graph() (*ir.Graph, []string, error) {
	g := ir.New("torch")
	values := map[string]*ir.Value{}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		x := c.Inputs[name].tensor()
		if c.Inputs[name].Const {
			values[name] = g.NewConst(name, x)
			continue
		}
		values[name] = g.AddInput(name, ir.TypeOf(x))
		names = append(names, name)
	}
	b := ir.NewBuilder(g, c.Name)
	for i, n := range c.Nodes {
		in := make([]*ir.Value, len(n.In))
		for j, name := range n.In {
			in[j] = values[name]
		}
		if c.IR {
			if build := losses[n.Op]; build != nil {
				values[n.Out] = build(b, attrsOf(n.Attrs), in)
			} else {
				values[n.Out] = b.Op(n.Op, attrsOf(n.Attrs), in...)
			}
			continue
		}
		raw := &ir.Node{Name: fmt.Sprintf("%s %d", c.Name, i), Op: n.Op, Version: c.Version, Inputs: in, Attrs: attrsOf(n.Attrs)}
		values[n.Out] = g.AddNode(raw, []ir.Type{{}}, n.Out).Outputs[0]
	}
	if err := b.Err(); err != nil {
		return nil, nil, err
	}
	g.Outputs = []*ir.Value{values[c.Nodes[len(c.Nodes)-1].Out]}
	if c.IR {
		return g, names, nil
	}
	g, err := compile.Model(g, compile.Options{Plain: true})
	return g, names, err
}

// run gives the output and the gradients, named as in c.Grads, of the sum of the output times dy.
func (c torchCase) run() (y *tensor.Tensor, grads map[string]*tensor.Tensor, err error) {
	g, names, err := c.graph()
	if err != nil {
		return nil, nil, err
	}
	byName := map[string]*ir.Value{}
	var inputs []*tensor.Tensor
	for i, v := range g.Inputs {
		byName[names[i]] = v
		inputs = append(inputs, c.Inputs[names[i]].tensor())
	}
	b := ir.NewBuilder(g, "loss")
	out := g.Outputs[0]
	loss := b.Op("ReduceSum", ir.Attrs{"keepdims": 0}, b.Op("Mul", nil, out, b.Const(c.DY.tensor())))
	if err := b.Err(); err != nil {
		return nil, nil, err
	}
	wrt := slices.Sorted(maps.Keys(c.Grads))
	var values []*ir.Value
	for _, name := range wrt {
		values = append(values, byName[name])
	}
	d, err := grad.Differentiate(g, loss, values)
	if err != nil {
		return nil, nil, err
	}
	var present []string
	for i, v := range d {
		if v != nil {
			g.Outputs = append(g.Outputs, v)
			present = append(present, wrt[i])
		}
	}
	if err := ir.Verify(g); err != nil {
		return nil, nil, err
	}
	p, err := compile.Region(g, compile.Memory{})
	if err != nil {
		return nil, nil, err
	}
	outs, err := p.Run(context.Background(), inputs...)
	if err != nil {
		return nil, nil, err
	}
	grads = map[string]*tensor.Tensor{}
	for i, name := range present {
		grads[name] = outs[i+1]
	}
	return outs[0], grads, nil
}

// near compares with PyTorch's float64 within 2e-5 of the largest value, the rounding of float32
// sums.
func near(got *tensor.Tensor, want torchTensor) error {
	if got == nil {
		got = tensor.New(tensor.Float32, want.Shape...)
	}
	if !got.Shape.Equal(want.Shape) {
		return fmt.Errorf("shape %v, want %v", got.Shape, want.Shape)
	}
	scale := 0.1
	for _, v := range want.Data {
		scale = max(scale, math.Abs(v))
	}
	for i, v := range got.Float64s() {
		if d := math.Abs(v - want.Data[i]); !(d <= 2e-5*scale) {
			return fmt.Errorf("element %d is %g, want %g", i, v, want.Data[i])
		}
	}
	return nil
}

// TestTorch compares outputs and gradients with PyTorch's.
func TestTorch(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "torch_ops.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []torchCase }
	if err := json.NewDecoder(z).Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			y, grads, err := c.run()
			if err != nil {
				t.Fatal(err)
			}
			if err := near(y, c.Y); err != nil {
				t.Errorf("output: %v", err)
			}
			for name, want := range c.Grads {
				if err := near(grads[name], want); err != nil {
					t.Errorf("gradient of %s: %v", name, err)
				}
			}
		})
	}
}
