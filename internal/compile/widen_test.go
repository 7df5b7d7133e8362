package compile

import (
	"context"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A half-precision graph keeps the types of its inputs, weights and outputs and computes in float32
// between.
func TestWidenHalves(t *testing.T) {
	for _, dt := range []tensor.DType{tensor.Float16, tensor.BFloat16} {
		build := func() *ir.Graph {
			s := newSketch()
			half := func(x *tensor.Tensor) *tensor.Tensor {
				h := tensor.New(dt, x.Shape...)
				for i, v := range x.F32() {
					bits := tensor.Float32ToFloat16(v)
					if dt == tensor.BFloat16 {
						bits = tensor.Float32ToBFloat16(v)
					}
					tensor.Data[uint16](h)[i] = bits
				}
				return h
			}
			x := s.Graph.AddInput("x", ir.Type{DType: dt, Shape: tensor.Shape{3, 4}})
			w := s.Graph.NewParam("w", half(s.random(4, 5)))
			b := s.Graph.NewConst("b", half(s.random(5)))
			y := s.Op("Relu", nil, s.Op("Add", nil, s.Op("MatMul", nil, x, w), b))
			y = s.Op("Cast", ir.Attrs{"to": dt.String()}, s.Op("Cast", ir.Attrs{"to": "float32"}, y))
			if err := s.Err(); err != nil {
				t.Fatal(err)
			}
			y.Name = "y"
			s.Graph.Outputs = []*ir.Value{y}
			return s.Graph
		}
		x := tensor.New(dt, 3, 4)
		for i := range tensor.Data[uint16](x) {
			tensor.Data[uint16](x)[i] = 0x3c00 + uint16(i)
		}
		run := func(g *ir.Graph) *tensor.Tensor {
			p, err := Region(g, Memory{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Run(context.Background(), x)
			if err != nil {
				t.Fatal(err)
			}
			return out[0].Clone()
		}
		want := run(build())
		g := build()
		if err := widenHalves(g); err != nil {
			t.Fatal(err)
		}
		if err := ir.Verify(g); err != nil {
			t.Fatal(err)
		}
		if text := g.String(); !strings.Contains(text, "MatMul(%0, %1)  float32[3,5]") {
			t.Errorf("%v: the product is not computed in float32:\n%s", dt, text)
		}
		if y := g.Outputs[0]; y.Name != "y" || y.Type.DType != dt {
			t.Errorf("%v: the output became %q %v", dt, y.Name, y.Type)
		}
		got := run(g)
		if err := tensor.Close(got, want, tensor.Tolerance{Name: "half rounding", Rel: 2e-2, Abs: 2e-2}); err != nil {
			t.Errorf("%v: %v", dt, err)
		}
	}
}
