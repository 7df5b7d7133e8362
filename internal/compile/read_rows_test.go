package compile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func (s *sketch) index(i int64) *ir.Value {
	t := tensor.New(tensor.Int64)
	t.I64()[0] = i
	return s.Const(t)
}

// encoderBlock is a block of a transformer over x of [batch, positions, 8], with two heads.
func (s *sketch) encoderBlock(x *ir.Value, attrs ir.Attrs, mask *ir.Value) *ir.Value {
	shape := x.Type.Shape
	heads := func(name string) *ir.Value {
		y := s.Op("Add", nil, s.Op("MatMul", nil, x, s.param(name, 8, 8)), s.param(name+".bias", 8))
		y = s.Op("Reshape", ir.Attrs{"shape": []int{shape[0], shape[1], 2, 4}}, y)
		return s.Op("Transpose", ir.Attrs{"perm": []int{0, 2, 1, 3}}, y)
	}
	y := s.Ops("Attention", attrs, heads("q"), heads("k"), heads("v"), mask)[0]
	y = s.Op("Transpose", ir.Attrs{"perm": []int{0, 2, 1, 3}}, y)
	y = s.Op("Reshape", ir.Attrs{"shape": []int{shape[0] * shape[1], 8}}, y) // as Gemm is exported
	y = s.Op("Reshape", ir.Attrs{"shape": []int(shape)}, s.Op("MatMul", nil, y, s.param("o", 8, 8), s.param("o.bias", 8)))
	x = s.Op("Add", nil, x, y)
	y = s.Ops("LayerNormalization", ir.Attrs{"axis": -1}, x, s.param("g", 8), s.param("b", 8))[0]
	y = s.Op("Gelu", nil, s.Op("MatMul", nil, y, s.param("up", 8, 16)))
	return s.Op("Add", nil, s.Op("MatMul", nil, y, s.param("down", 16, 8)), x)
}

// Only what the selected rows are computed from is computed, and to the same values.
func TestOnlyReadRows(t *testing.T) {
	token := ir.Attrs{"axis": 1}
	last := ir.Attrs{"starts": []int{-2}, "ends": []int{99}, "axes": []int{1}}
	for _, c := range []struct {
		name  string
		build func(s *sketch) *ir.Value
		want  string
	}{
		{"the class token of a block", func(s *sketch) *ir.Value {
			return s.Op("Gather", token, s.encoderBlock(s.input("x", 3, 5, 8), nil, nil), s.index(0))
		}, "Slice[3,1,8] MatMul[3,1,8] MatMul[3,5,8] MatMul[3,5,8] Attention[3,2,1,4] MatMul[3,1,8] LayerNormalization[3,1,8] MatMul[3,1,16] Gelu[3,1,16] MatMul[3,1,8]"},
		{"the last two positions", func(s *sketch) *ir.Value {
			return s.Op("Slice", last, s.Op("MatMul", nil, s.input("x", 3, 5, 8), s.param("w", 8, 4)))
		}, "Slice[3,2,8] MatMul[3,2,4]"},
		{"a mask with a row for each query", func(s *sketch) *ir.Value {
			return s.Op("Slice", last, s.encoderBlock(s.input("x", 3, 5, 8), nil, s.input("mask", 5, 5)))
		}, "Slice[3,2,8] MatMul[3,2,8] MatMul[3,5,8] MatMul[3,5,8] Slice[2,5] Attention[3,2,2,4] MatMul[3,2,8] LayerNormalization[3,2,8] MatMul[3,2,16] Gelu[3,2,16] MatMul[3,2,8]"},
		{"one token of several that are read", func(s *sketch) *ir.Value {
			y := s.Op("MatMul", nil, s.input("x", 3, 5, 8), s.param("w", 8, 4))
			return s.Op("Add", nil, s.Op("Gather", token, y, s.index(0)), s.Op("Gather", token, y, s.index(1)))
		}, "MatMul[3,5,4] Gather[3,4] Gather[3,4]"},
		{"the mean reads all", func(s *sketch) *ir.Value {
			y := s.Op("MatMul", nil, s.input("x", 3, 5, 8), s.param("w", 8, 4))
			return s.Op("Add", nil, s.Op("Gather", token, y, s.index(0)), s.Op("ReduceMean", ir.Attrs{"axes": []int{1}, "keepdims": 0}, y))
		}, "MatMul[3,5,4] Gather[3,4] ReduceMean[3,4]"},
		{"nothing but cheap operators", func(s *sketch) *ir.Value {
			return s.Op("Gather", token, s.Op("Relu", nil, s.input("x", 3, 5, 8)), s.index(0))
		}, "Relu[3,5,8] Gather[3,8]"},
		{"a softmax over the positions", func(s *sketch) *ir.Value {
			y := s.Op("Softmax", ir.Attrs{"axis": 1}, s.Op("MatMul", nil, s.input("x", 3, 5, 8), s.param("w", 8, 4)))
			return s.Op("Gather", token, y, s.index(0))
		}, "MatMul[3,5,4] Softmax[3,5,4] Gather[3,4]"},
		{"features are no rows of a product", func(s *sketch) *ir.Value {
			y := s.Op("MatMul", nil, s.input("x", 3, 5, 8), s.param("w", 8, 4))
			return s.Op("Gather", ir.Attrs{"axis": -1}, y, s.index(0))
		}, "MatMul[3,5,4] Gather[3,5]"},
		{"positions are added to what broadcasts", func(s *sketch) *ir.Value {
			y := s.Op("Add", nil, s.Op("MatMul", nil, s.input("x", 3, 5, 8), s.param("w", 8, 8)), s.param("positions", 5, 8))
			y = s.Op("Mul", nil, y, s.param("scale", 1, 8))
			return s.Op("Gather", token, y, s.index(-1))
		}, "Slice[3,1,8] MatMul[3,1,8] Slice[1,8] Mul[3,1,8]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if g := rewritten(t, c.build, onlyReadRows); shapes(g) != c.want {
				t.Errorf("%s, want\n%s\n%s", shapes(g), c.want, g)
			}
		})
	}
}

// shapes are the operators of a graph with the shapes of their results, without those that only
// rearrange or add.
func shapes(g *ir.Graph) string {
	var ops []string
	for _, n := range g.Nodes {
		if n.Op != "Reshape" && n.Op != "Transpose" && n.Op != "Add" {
			ops = append(ops, fmt.Sprint(n.Op, n.Outputs[0].Type.Shape))
		}
	}
	return strings.Join(ops, " ")
}
