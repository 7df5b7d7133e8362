package joint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	_ "github.com/permafrost-ml/permafrost/internal/op" // the operators that graphs are made of
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// chain is a network of dense layers x[N,4] -> Relu(x*W+b). A layer's weights follow from its seed.
// turned puts the examples on the last axis between the layers at and at+1.
type chain struct {
	seeds  []uint64
	turned int
	alone  bool
}

func (c chain) OneByOne() bool { return c.alone }

func (c chain) Graph(batch, _ int, folded *compile.Constants) (*ir.Graph, error) {
	g := ir.New("chain")
	h := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}})
	node := func(name, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: name, Op: op, Inputs: in, Attrs: attrs, Version: 17}, []ir.Type{{DType: tensor.Float32}}).Outputs[0]
	}
	for i, seed := range c.seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		w := tensor.New(tensor.Float32, 4, 4)
		for k := range w.F32() {
			w.F32()[k] = float32(r.NormFloat64())
		}
		h = node(fmt.Sprintf("/%d/MatMul", i), "MatMul", nil, h, g.NewParam(fmt.Sprintf("w%d", i), w))
		h = node(fmt.Sprintf("/%d/Tanh", i), "Tanh", nil, h)
		if i == c.turned {
			h = node("/turn", "Transpose", ir.Attrs{"perm": []int{1, 0}}, h)
			h = node("/scale", "Sigmoid", nil, h)
			if i+1 < len(c.seeds) {
				h = node("/back", "Transpose", ir.Attrs{"perm": []int{1, 0}}, h)
			}
		}
	}
	g.Outputs = []*ir.Value{h}
	return compile.Model(g, compile.Options{Shapes: map[string]tensor.Shape{"x": {batch, 4}}, Frozen: compile.All, Constants: folded})
}

func straight(seeds ...uint64) chain { return chain{seeds: seeds, turned: -1} }

// TestJoint: joined networks give what each gives by itself, for any batch, and are divided where
// they part.
func TestJoint(t *testing.T) {
	for _, c := range []struct {
		name   string
		nets   []chain
		pieces int
		shared bool
	}{
		{"one", []chain{straight(1, 2)}, 1, false},
		{"the same twice", []chain{straight(1, 2), straight(1, 2)}, 1, true},
		{"two heads", []chain{straight(1, 2, 3), straight(1, 2, 4)}, 3, true},
		{"one network within another", []chain{straight(1, 2), straight(1, 2, 3)}, 2, true},
		{"parting twice", []chain{straight(1, 2, 3), straight(1, 2, 4), straight(1, 5, 6)}, 5, true},
		{"nothing alike", []chain{straight(1), straight(2)}, 2, false},
		{"alike only after they part", []chain{straight(1, 3), straight(2, 3)}, 2, false},
		{"examples on another axis between", []chain{{[]uint64{1, 2}, 0, false}, {[]uint64{1, 3}, 0, false}}, 3, true},
		{"one at a time", []chain{{[]uint64{1, 2}, -1, true}, {[]uint64{1, 3}, -1, true}}, 3, true},
	} {
		shelf := NewShelf()
		var names []string
		var nets []Source
		for i, n := range c.nets {
			names, nets = append(names, fmt.Sprint(i)), append(nets, n)
		}
		joined := New(shelf, names, nets)
		if err := joined.Prepare(1, 16); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := joined.Pieces(1); got != c.pieces || (joined.Shared(1) > 0) != c.shared {
			t.Errorf("%s: %d pieces, want %d; share %v", c.name, got, c.pieces, joined.Shared(1))
		}
		for _, n := range []int{1, 3, 4, 23} {
			r := rand.New(rand.NewPCG(uint64(n), 7))
			var examples []Example
			for e := range n {
				x := tensor.New(tensor.Float32, 1, 4)
				for k := range x.F32() {
					x.F32()[k] = float32(r.NormFloat64())
				}
				asked := r.Perm(len(c.nets))[:1+r.IntN(len(c.nets))]
				if e == 0 {
					asked = []int{0}
				}
				examples = append(examples, Example{[]*tensor.Tensor{x}, asked})
			}
			found, err := joined.Run(t.Context(), 1, examples)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			for e, x := range examples {
				for k, m := range x.Networks {
					g, err := c.nets[m].Graph(1, 1, nil)
					if err != nil {
						t.Fatal(err)
					}
					p, err := compile.Region(g, compile.Memory{})
					if err != nil {
						t.Fatal(err)
					}
					want, err := p.Run(t.Context(), x.Inputs...)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(found[e][k].Shape, want[0].Shape) {
						t.Fatalf("%s: example %d of network %d is %v, want %v", c.name, e, m, found[e][k].Shape, want[0].Shape)
					}
					if err := tensor.Close(found[e][k], want[0], tensor.Tolerance{Rel: 1e-5, Abs: 1e-6}); err != nil {
						t.Errorf("%s: example %d of %d, network %d: %v", c.name, e, n, m, err)
					}
				}
			}
		}
	}
}

// TestSweep: a network that takes the place of another finds the programs of what is the same.
func TestSweep(t *testing.T) {
	shelf := NewShelf()
	join := func(nets ...Source) *Network {
		n := New(shelf, []string{"a", "b"}, nets)
		if err := n.Prepare(1, 1); err != nil {
			t.Fatal(err)
		}
		return n
	}
	old := join(straight(1, 2, 3), straight(1, 2, 4))
	if len(shelf.programs) != 3 {
		t.Fatalf("%d programs, want a trunk and two heads", len(shelf.programs))
	}
	before := map[form]*compile.Program{}
	for f, p := range shelf.programs {
		before[f] = p
	}
	join(straight(1, 2, 3), straight(1, 2, 5)).Sweep()
	kept := 0
	for f, p := range shelf.programs {
		if before[f] == p {
			kept++
		}
	}
	if len(shelf.programs) != 3 || kept != 2 {
		t.Errorf("%d programs, of which %d are those from before; want 3 and 2", len(shelf.programs), kept)
	}
	x := tensor.New(tensor.Float32, 1, 4)
	if _, err := old.Run(t.Context(), 1, []Example{{[]*tensor.Tensor{x}, []int{1}}}); err != nil {
		t.Errorf("the network from before, which requests may still have: %v", err)
	}
}
