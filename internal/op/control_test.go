package op_test

import (
	"context"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// rawLoop is a model whose loop adds step to x while the sum of x is below 10, at most trips times.
func rawLoop(trips *ir.Value, scan bool) *ir.Graph {
	g := ir.New("model")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2}})
	step := g.AddInput("step", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{2}})
	body := ir.New("body")
	body.AddInput("i", ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}})
	body.AddInput("on", ir.Type{DType: tensor.Bool, Shape: tensor.Shape{}})
	state := body.AddInput("state", ir.Type{})
	node := func(g *ir.Graph, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: op, Op: op, Version: 13, Inputs: in, Attrs: attrs}, []ir.Type{{}}).Outputs[0]
	}
	sum := node(body, "Add", nil, state, step) // step is captured
	small := node(body, "Less", nil, node(body, "ReduceSum", ir.Attrs{"keepdims": 0}, sum), body.NewConst("ten", tensor.Scalar(float32(10))))
	body.Outputs = []*ir.Value{small, sum}
	if scan {
		body.Outputs = append(body.Outputs, node(body, "Identity", nil, sum))
	}
	if trips != nil && trips.Kind == ir.Input {
		g.Inputs = append(g.Inputs, trips)
	}
	n := g.AddNode(&ir.Node{Name: "Loop", Op: "Loop", Version: 13, Inputs: []*ir.Value{trips, nil, x}, Attrs: ir.Attrs{"body": body}}, make([]ir.Type, len(body.Outputs)-1))
	g.Outputs = n.Outputs[:1]
	return g
}

// TestLoopThatDependsOnData runs what cannot be unrolled, and says why the rest does not run.
func TestLoopThatDependsOnData(t *testing.T) {
	trips := func(kind ir.Kind) *ir.Value {
		v := &ir.Value{ID: 1 << 20, Name: "trips", Kind: kind, Type: ir.Type{DType: tensor.Int64, Shape: tensor.Shape{}}}
		if kind == ir.Const {
			v.Data = tensor.Scalar(int64(2))
		}
		return v
	}
	x, step := tensor.Of([]float32{0, 1}), tensor.Of([]float32{1, 2})
	for _, c := range []struct {
		name  string
		trips *ir.Value
		want  []float32
	}{
		{"condition", nil, []float32{3, 7}},
		{"constant trips", trips(ir.Const), []float32{2, 5}},
		{"trips", trips(ir.Input), []float32{2, 5}},
	} {
		g, err := compile.Model(rawLoop(c.trips, false), compile.Options{Plain: true})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := ir.Verify(g); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		p, err := compile.Region(g, compile.Memory{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		in := []*tensor.Tensor{x, step}
		if len(g.Inputs) == 3 {
			in = append(in, tensor.Scalar(int64(2)))
		}
		out, err := p.Run(context.Background(), in...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := tensor.Close(out[0], tensor.Of(c.want), tensor.Tolerance{Name: "exact"}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := compile.Model(rawLoop(nil, true), compile.Options{Plain: true}); err == nil || !strings.Contains(err.Error(), "depends on data") {
		t.Errorf("a loop that scans: %v", err)
	}
}

// A weight that trains must not be read inside a loop that stays one, where it would get no
// gradient.
func TestWeightInsideALoop(t *testing.T) {
	raw := rawLoop(nil, false)
	body := raw.Nodes[0].Attrs["body"].(*ir.Graph)
	body.Nodes[0].Inputs[1] = raw.NewParam("step.weight", tensor.Of([]float32{1, 2}))
	if _, err := compile.Model(raw, compile.Options{Frozen: compile.All}); err != nil {
		t.Errorf("with all frozen: %v", err)
	}
	_, err := compile.Model(raw, compile.Options{Frozen: func(v *ir.Value) bool { return v.Name != "step.weight" }})
	if err == nil || !strings.Contains(err.Error(), `node "Loop"`) || !strings.Contains(err.Error(), `"step.weight"`) {
		t.Errorf("with the weight thawed: %v", err)
	}
}
