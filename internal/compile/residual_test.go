package compile

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// A convolution or a product that adds a residual overwrites it, unless something reads it later.
func TestResidualIsOverwritten(t *testing.T) {
	const size = 4 * 8 * 8 * 8 // bytes of a value
	for _, c := range []struct {
		name  string
		later bool
		want  int
	}{{"read last", false, 2 * size}, {"read later", true, 3 * size}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSketch()
			conv := func(x, residual *ir.Value) *ir.Value {
				return s.Op("Conv", ir.Attrs{"layout": "NHWC"}, x, s.param("w", 8, 8, 1, 1), nil, residual)
			}
			x := s.Op("Relu", nil, s.input("x", 1, 8, 8, 8))
			y := conv(conv(x, nil), x)
			if c.later {
				y = s.Op("Mul", nil, y, x)
			}
			s.Graph.Outputs = []*ir.Value{s.Op("ReduceMean", ir.Attrs{"axes": []int{1, 2}}, y)}
			if err := s.Err(); err != nil {
				t.Fatal(err)
			}
			p, err := planMemory(s.Graph, map[*ir.Node]ir.Bound{})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.size; got < c.want || got >= c.want+size {
				t.Errorf("%d bytes, want %d and little more\n%s", got, c.want, s.Graph)
			}
		})
	}
}
