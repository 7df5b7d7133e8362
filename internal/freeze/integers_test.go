package freeze

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestIntegerWeights: of a quantised model, plans say which weights cannot train.
func TestIntegerWeights(t *testing.T) {
	build := func(floats bool) *Set {
		g := ir.New("int8")
		x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}})
		node := func(path, op string, in ...*ir.Value) *ir.Value {
			return g.AddNode(&ir.Node{Name: path, Op: op, Inputs: in, Version: 17}, []ir.Type{{}}).Outputs[0]
		}
		scale := g.NewConst("scale", tensor.Scalar(float32(0.1)))
		for _, name := range []string{"one", "two"} {
			w := node("/"+name+"/dq", "DequantizeLinear", g.NewConst(name+".int8", tensor.New(tensor.Int8, 4, 4)), scale)
			x = node("/"+name+"/MatMul", "MatMul", x, w)
		}
		if floats {
			x = node("/extra/MatMul", "MatMul", x, g.NewParam("extra.weight", tensor.New(tensor.Float32, 4, 4)))
		}
		head := g.NewParam("fc.weight", tensor.New(tensor.Float32, 3, 4))
		g.Outputs = []*ir.Value{node("/fc/Gemm", "Gemm", x, head)}
		return Describe(g, []string{"fc.weight"})
	}
	const said = `the model is quantised: 2 of its weights, such as "one.int8", are int8 and cannot train`
	for _, c := range []struct {
		floats      bool
		thaw, note  string
		refusedWith string
	}{
		{thaw: "head"},
		{thaw: "fc.weight"},
		{thaw: "all", note: said + ", so option thaw all trains the head alone"},
		{thaw: "kind:weight", note: said + ", so option thaw kind:weight trains the head alone"},
		{thaw: "all", floats: true, note: said + "; the others do"},
		{thaw: "kind:weight", floats: true},
		{thaw: "last:1", refusedWith: said + ", which leaves 0 blocks"},
		{thaw: "depth:0%-100%", refusedWith: said},
	} {
		s := build(c.floats)
		_, err := s.Choose([]string{c.thaw})
		if c.refusedWith != "" {
			if err == nil || !strings.Contains(err.Error(), c.refusedWith) {
				t.Errorf("%s: %v, want %s", c.thaw, err, c.refusedWith)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.Idle([]string{c.thaw}, nil, nil), "\n"); got != c.note {
			t.Errorf("%s: %q, want %q", c.thaw, got, c.note)
		}
	}
}
