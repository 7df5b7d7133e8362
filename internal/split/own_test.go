package split

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// ownOf finds the own classifier of a raw graph.
func ownOf(g *ir.Graph) (*Own, error) {
	b := &Base{Model: &onnx.Model{Graph: g}, shapes: func(int, int) map[string]tensor.Shape { return guessedShapes(g) }}
	return b.Own()
}

// TestOwn: the scores are what a softmax or a choice reads, with what scales them.
func TestOwn(t *testing.T) {
	two := tensor.Of([]float32{2}, 1)
	for name, c := range map[string]struct {
		build   func(s sketch) *ir.Value
		scores  string
		sigmoid bool
		err     string
	}{
		"bare": {func(s sketch) *ir.Value { return s.product("fc", s.pool("flat", s.trunk()), 16, 5) }, "fc", false, ""},
		"softmax": {func(s sketch) *ir.Value {
			return s.node("p", "Softmax", ir.Attrs{"axis": -1}, s.product("fc", s.pool("flat", s.trunk()), 16, 5))
		}, "fc", false, ""},
		"temperature": {func(s sketch) *ir.Value {
			cold := s.node("cold", "Div", nil, s.product("fc", s.pool("flat", s.trunk()), 16, 5), s.NewConst("two", two))
			return s.node("p", "Softmax", ir.Attrs{"axis": -1}, cold)
		}, "cold", false, ""},
		"sigmoid": {func(s sketch) *ir.Value {
			return s.node("p", "Sigmoid", nil, s.product("fc", s.pool("flat", s.trunk()), 16, 5))
		}, "fc", true, ""},
		"best": {func(s sketch) *ir.Value {
			p := s.node("p", "Softmax", ir.Attrs{"axis": -1}, s.product("fc", s.pool("flat", s.trunk()), 16, 5))
			return s.node("best", "ArgMax", ir.Attrs{"axis": 1, "keepdims": 0}, p)
		}, "fc", false, ""},
		"features": {func(s sketch) *ir.Value { return s.pool("flat", s.trunk()) }, "", false, "ends in features"},
		"one":      {func(s sketch) *ir.Value { return s.product("fc", s.pool("flat", s.trunk()), 16, 1) }, "", false, "one number"},
		"every step": {func(s sketch) *ir.Value {
			return s.product("fc", s.layerNorm("norm", s.product("in", s.rows(7, 16), 16, 16), 16), 16, 5)
		}, "fc", false, ""},
	} {
		s := sketch{&ir.Graph{}}
		s.Outputs = []*ir.Value{c.build(s)}
		own, err := ownOf(s.Graph)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", name, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case own.Graph.Outputs[0].Name != c.scores || own.Classes != 5 || own.Sigmoid != c.sigmoid || own.PerPosition != (name == "every step"):
			t.Errorf("%s: %q, %+v", name, own.Graph.Outputs[0].Name, own)
		}
	}
}

// TestOwnInTheWorld: the softmax of the scores is what the model itself gives.
func TestOwnInTheWorld(t *testing.T) {
	for _, c := range []struct {
		path          []string
		probabilities bool // the model ends in a softmax
	}{
		{[]string{"models", "resnet20-cifar10.onnx"}, false},
		{[]string{"models", "magika-v3.onnx"}, true},
		{[]string{"world-models", "mnist-cntk", "model.onnx"}, false},
		{[]string{"world-models", "ppocr-cls", "model.onnx"}, true},
		{[]string{"world-models", "squeezenet-fp16", "model.onnx"}, true},
		{[]string{"world-models", "st-mbv2-035", "model.onnx"}, true},
	} {
		t.Run(fmt.Sprint(c.path), func(t *testing.T) {
			g := openRaw(t, c.path...)
			own, err := ownOf(g)
			if err != nil {
				t.Fatal(err)
			}
			var results [2][]float64
			for i, g := range []*ir.Graph{g, own.Graph} {
				p, err := compile.Inference(g, guessedShapes(g), compile.Memory{})
				if err != nil {
					t.Fatal(err)
				}
				var in []*tensor.Tensor
				for _, v := range p.Graph().Inputs {
					x := tensor.New(v.Type.DType, v.Type.Shape...)
					for k := range x.Len() {
						switch v.Type.DType {
						case tensor.Float32:
							x.F32()[k] = float32(k%13) / 13
						case tensor.Float16:
							tensor.Data[uint16](x)[k] = tensor.Float32ToFloat16(float32(k%13) / 13)
						case tensor.Int32:
							tensor.Data[int32](x)[k] = int32(k % 13)
						}
					}
					in = append(in, x)
				}
				out, err := p.Run(context.Background(), in...)
				if err != nil {
					t.Fatal(err)
				}
				at := max(0, slices.IndexFunc(g.Outputs, func(v *ir.Value) bool { return v.Name == own.Output }))
				results[i] = out[at].Float64s()
			}
			want, got := results[0], results[1]
			if len(got) != len(want) || len(got)%own.Classes != 0 {
				t.Fatalf("%d scores, the model gives %d", len(got), len(want))
			}
			for at := 0; c.probabilities && at < len(got); at += own.Classes {
				sum := 0.0
				for _, v := range got[at : at+own.Classes] {
					sum += math.Exp(v)
				}
				for i := range got[at : at+own.Classes] {
					got[at+i] = math.Exp(got[at+i]) / sum
				}
			}
			for i := range got {
				if math.Abs(got[i]-want[i]) > 1e-3*max(1, math.Abs(want[i])) {
					t.Fatalf("score %d: %v, the model gives %v", i, got[i], want[i])
				}
			}
		})
	}
}
