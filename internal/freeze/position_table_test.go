package freeze

import (
	"math"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestTables: sines and cosines of positions are told from weights, whatever their names, and a
// plan of everything leaves them out; so are no blocks made of them.
func TestTables(t *testing.T) {
	const steps, width = 6, 8
	fill := func(f func(step, k int) float64, d int) *tensor.Tensor {
		x := tensor.New(tensor.Float32, steps, d)
		for i := range steps {
			for k := range d {
				x.F32()[i*d+k] = float32(f(i, k))
			}
		}
		return x
	}
	angle := func(i, k int) float64 { return float64(i) * math.Pow(100, -float64(k)/4) }
	half := func(x *tensor.Tensor) *tensor.Tensor {
		h := tensor.New(tensor.Float16, x.Shape...)
		for i, v := range x.F32() {
			tensor.Data[uint16](h)[i] = tensor.Float32ToFloat16(v)
		}
		return h
	}
	cos := fill(func(i, k int) float64 { return math.Cos(angle(i, k)) }, width/2)
	sin := fill(func(i, k int) float64 { return math.Sin(angle(i, k)) }, width/2)
	one := fill(func(i, k int) float64 { return 1 }, width)
	zero := fill(func(i, k int) float64 { return 0 }, width)
	for name, c := range map[string]struct {
		values []*tensor.Tensor
		table  bool
	}{
		"rotary":         {[]*tensor.Tensor{cos, sin}, true},
		"half precision": {[]*tensor.Tensor{half(cos), half(sin)}, true},
		"alternating":    {[]*tensor.Tensor{fill(func(i, k int) float64 { return math.Sin(angle(i, k/2) + float64(k%2)*math.Pi/2) }, width)}, true},
		"halves":         {[]*tensor.Tensor{fill(func(i, k int) float64 { return math.Sin(angle(i, k%4) + float64(k/4)*math.Pi/2) }, width)}, true},
		"ones and zeros": {[]*tensor.Tensor{one, zero}, false},
		"others":         {[]*tensor.Tensor{cos, one}, false},
		"directions":     {[]*tensor.Tensor{fill(func(i, k int) float64 { return math.Sin(angle(i, 0) + float64(k)*math.Pi/2) }, 2)}, false},
		"learned":        {[]*tensor.Tensor{fill(func(i, k int) float64 { return math.Cos(angle(i, k)) + 0.1*float64(i) }, width)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := ir.New("tables")
			v := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{steps, width}})
			node := func(op, path string, in ...*ir.Value) *ir.Value {
				return g.AddNode(&ir.Node{Name: path, Op: op, Inputs: in}, []ir.Type{{}}, path+"_output").Outputs[0]
			}
			weight := func(name string) *ir.Value { return g.NewParam(name, tensor.New(tensor.Float32, width, width)) }
			var names []string
			for i, x := range c.values {
				names = append(names, string('a'+rune(i)))
				v = node("Mul", "/Mul_"+names[i], v, g.NewParam(names[i], x))
			}
			for _, l := range []string{"layers.0", "layers.1", "layers.2", "layers.3"} {
				v = node("MatMul", "/"+l+"/fc/MatMul", v, weight(l+".fc.weight"))
			}
			scale := tensor.New(tensor.Float32, width)
			g.Outputs = []*ir.Value{node("Mul", "/norm/Mul", v, g.NewParam("norm.weight", scale))}

			s := Describe(g, nil)
			p, err := New(s, Options{Thaw: []string{"all"}})
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				if w := s.ByName(n); (w.Role == RoleTable) != c.table || (p.Of(n).State == Frozen) != c.table || (w.Block < 0) != c.table {
					t.Errorf("%s has role %s, state %s and block %d", n, w.Role, p.Of(n).State, w.Block)
				}
			}
			if w := s.ByName("norm.weight"); s.Blocks[w.Block] != "layers.3" {
				t.Errorf("the last norm belongs to %s", s.Blocks[w.Block])
			}
			if c.table && !slices.Equal(s.Blocks, []string{"layers.0", "layers.1", "layers.2", "layers.3"}) {
				t.Errorf("blocks %v", s.Blocks)
			}
		})
	}
}
