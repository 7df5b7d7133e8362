package split

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// sketch builds raw graphs from an image [N,4,8,8] or rows of features. Values are called like
// their nodes.
type sketch struct{ *ir.Graph }

func (s sketch) node(name, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
	return s.AddNode(&ir.Node{Name: name, Op: op, Version: 17, Inputs: in, Attrs: attrs}, []ir.Type{{}}, name).Outputs[0]
}

func (s sketch) weight(name string, shape ...int) *ir.Value {
	return s.NewParam(name, tensor.New(tensor.Float32, shape...))
}

func (s sketch) ints(name string, x ...int64) *ir.Value { return s.NewConst(name, tensor.Of(x)) }

func (s sketch) image() *ir.Value {
	return s.AddInput("image", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4, 8, 8}})
}

func (s sketch) rows(shape ...int) *ir.Value {
	return s.AddInput("rows", ir.Type{DType: tensor.Float32, Shape: append(tensor.Shape{-1}, shape...)})
}

func (s sketch) conv(name string, x *ir.Value, in, out, kernel int) *ir.Value {
	pad := kernel / 2
	return s.node(name, "Conv", ir.Attrs{"kernel_shape": []int{kernel, kernel}, "pads": []int{pad, pad, pad, pad}}, x, s.weight(name+".w", out, in, kernel, kernel))
}

// trunk is two convolutions, the result of which is called map: 16 features at 8x8 places.
func (s sketch) trunk() *ir.Value {
	x := s.node("relu1", "Relu", nil, s.conv("conv1", s.image(), 4, 12, 3))
	return s.node("map", "Relu", nil, s.conv("conv2", x, 12, 16, 3))
}

func (s sketch) pool(name string, x *ir.Value) *ir.Value {
	return s.node(name, "Flatten", nil, s.node(name+"/pool", "GlobalAveragePool", nil, x))
}

func (s sketch) product(name string, x *ir.Value, in, out int) *ir.Value {
	return s.node(name, "MatMul", nil, x, s.weight(name+".w", in, out))
}

// layerNorm is a layer normalisation that is written out, over the last axis.
func (s sketch) layerNorm(name string, x *ir.Value, width int) *ir.Value {
	last := ir.Attrs{"axes": []int{-1}}
	c := s.node(name+"/centre", "Sub", nil, x, s.node(name+"/mean", "ReduceMean", last, x))
	v := s.node(name+"/variance", "ReduceMean", last, s.node(name+"/square", "Mul", nil, c, c))
	n := s.node(name+"/divide", "Div", nil, c, s.node(name+"/deviation", "Sqrt", nil, v))
	return s.node(name, "Add", nil, s.node(name+"/scale", "Mul", nil, n, s.weight(name+".g", width)), s.weight(name+".b", width))
}

func TestPlaceOfTheHead(t *testing.T) {
	cases := []struct {
		name  string
		build func(s sketch) []*ir.Value // the outputs
		want  string                     // what the head reads
		own   string                     // the bias or weights of the classifier, "" for none
	}{
		{"softmax", func(s sketch) []*ir.Value {
			x := s.node("bias", "Add", nil, s.product("fc", s.pool("features", s.trunk()), 16, 5), s.weight("fc.b", 1, 5))
			return []*ir.Value{s.node("softmax", "Softmax", nil, x)}
		}, "features", "fc.w fc.b"},
		{"softmax that is written out", func(s sketch) []*ir.Value {
			x := s.product("fc", s.pool("features", s.trunk()), 16, 5)
			e := s.node("exp", "Exp", nil, s.node("less", "Sub", nil, x, s.node("max", "ReduceMax", ir.Attrs{"axes": []int{1}}, x)))
			return []*ir.Value{s.node("out", "Div", nil, e, s.node("sum", "ReduceSum", nil, e, s.ints("axes", 1)))}
		}, "features", "fc.w"},
		{"argmax and cast", func(s sketch) []*ir.Value {
			x := s.node("argmax", "ArgMax", ir.Attrs{"axis": 1}, s.product("fc", s.pool("features", s.trunk()), 16, 5))
			return []*ir.Value{s.node("cast", "Cast", ir.Attrs{"to": 1}, x)}
		}, "features", "fc.w"},
		{"a scalar that is scaled", func(s sketch) []*ir.Value {
			x := s.node("tanh", "Tanh", nil, s.product("fc", s.pool("features", s.trunk()), 16, 1))
			return []*ir.Value{s.node("age", "Squeeze", nil, s.node("years", "Mul", nil, x, s.NewConst("hundred", tensor.Scalar(float32(100)))), s.ints("axes", 1))}
		}, "features", "fc.w"},
		{"a convolution that scores a map, before pooling and softmax", func(s sketch) []*ir.Value {
			x := s.pool("scores", s.node("clip", "Relu", nil, s.conv("fc", s.trunk(), 16, 5, 1)))
			return []*ir.Value{s.node("softmax", "Softmax", nil, x)}
		}, "map", "fc.w"},
		{"the last convolution of a trunk", func(s sketch) []*ir.Value {
			return []*ir.Value{s.pool("features", s.node("relu", "Relu", nil, s.conv("last", s.trunk(), 16, 48, 1)))}
		}, "features", ""},
		{"behind a gate that comes first in a product", func(s sketch) []*ir.Value {
			x := s.trunk()
			gate := s.node("gate", "Sigmoid", nil, s.conv("squeeze", s.node("pool", "GlobalAveragePool", nil, x), 16, 16, 1))
			x = s.conv("dense", s.node("gated", "Mul", nil, gate, x), 16, 4, 1)
			return []*ir.Value{s.node("boxes", "Transpose", ir.Attrs{"perm": []int{0, 2, 3, 1}}, x)}
		}, "gated", ""},
		{"layer normalisation that is written out", func(s sketch) []*ir.Value {
			x := s.rows(6, 8)
			return []*ir.Value{s.layerNorm("norm", s.node("add", "Add", nil, s.product("out", s.node("relu", "Relu", nil, s.product("in", x, 8, 32)), 32, 8), x), 8)}
		}, "norm", ""},
		{"layer normalisation without a residual", func(s sketch) []*ir.Value {
			return []*ir.Value{s.layerNorm("norm", s.product("in", s.rows(6, 8), 8, 32), 32)}
		}, "norm", ""},
		{"an embedding of length one", func(s sketch) []*ir.Value {
			x := s.product("project", s.pool("features", s.trunk()), 16, 12)
			return []*ir.Value{s.node("out", "Div", nil, x, s.node("length", "ReduceL2", ir.Attrs{"axes": []int{1}}, x))}
		}, "out", ""},
		{"a pooler", func(s sketch) []*ir.Value {
			return []*ir.Value{s.node("tanh", "Tanh", nil, s.product("pooler", s.pool("features", s.trunk()), 16, 16))}
		}, "tanh", ""},
		{"an auxiliary classifier", func(s sketch) []*ir.Value {
			early := s.node("early", "Relu", nil, s.conv("conv0", s.image(), 4, 32, 3))
			aux := s.product("aux", s.pool("aux/features", early), 32, 5)
			x := early
			for _, name := range []string{"a", "b", "c"} {
				x = s.node(name+"/relu", "Relu", nil, s.conv(name, x, 32, 32, 3))
			}
			return []*ir.Value{s.product("fc", s.pool("features", x), 32, 5), aux}
		}, "features", "fc.w"},
		{"anchors, scores and boxes", func(s sketch) []*ir.Value {
			x := s.trunk()
			scores := s.node("scores", "Reshape", nil, s.node("to last", "Transpose", ir.Attrs{"perm": []int{0, 2, 3, 1}}, s.conv("class", x, 16, 16, 1)), s.ints("per anchor", 0, -1, 8))
			boxes := s.node("boxes", "Reshape", nil, s.conv("place", x, 16, 8, 3), s.ints("per box", 0, -1, 4))
			n := s.node("n", "Slice", nil, s.node("shape", "Shape", nil, x), s.ints("0", 0), s.ints("1", 1))
			anchors := s.node("anchors", "Tile", nil, s.weight("priors", 1, 64, 9), s.node("times", "Concat", ir.Attrs{"axis": 0}, n, s.ints("ones", 1, 1)))
			return []*ir.Value{scores, boxes, anchors}
		}, "map", ""},
		{"too few features", func(s sketch) []*ir.Value {
			x := s.product("narrow", s.pool("features", s.trunk()), 16, 3)
			return []*ir.Value{s.product("fc", s.node("relu", "Relu", nil, x), 3, 5)}
		}, "features", "fc.w"},
		{"a number from flattened maps", func(s sketch) []*ir.Value {
			x := s.trunk()
			small := s.node("small", "Relu", nil, s.conv("squeeze", x, 16, 2, 1))
			flat := s.node("flat", "Reshape", nil, small, s.ints("all", 0, 128))
			y := s.node("hidden", "Relu", nil, s.product("fc", s.node("gated", "Mul", nil, flat, s.node("gate", "Sigmoid", nil, flat)), 128, 3))
			return []*ir.Value{s.node("age", "Mul", nil, s.product("scale", y, 3, 1), s.product("offset", y, 3, 1))}
		}, "map", ""},
		{"scores of two streams", func(s sketch) []*ir.Value {
			x := s.pool("features", s.trunk())
			sum := s.node("sum", "Add", nil, s.product("a", x, 16, 5), s.product("b", x, 16, 5))
			return []*ir.Value{s.node("softmax", "Softmax", nil, sum)}
		}, "features", ""},
	}
	for _, c := range cases {
		for _, order := range []string{"", " in another order"} {
			t.Run(c.name+order, func(t *testing.T) {
				s := sketch{ir.New(c.name)}
				s.Outputs = c.build(s)
				if order != "" {
					for i, j := 0, len(s.Outputs)-1; i < j; i, j = i+1, j-1 {
						s.Outputs[i], s.Outputs[j] = s.Outputs[j], s.Outputs[i]
					}
				}
				own := ""
				if f := FindClassifier(s.Graph); f != nil {
					own = strings.Join(f.Weights, " ")
				}
				if own != c.own {
					t.Errorf("the classifier is %q, want %q", own, c.own)
				}
				found, err := choosePlaces(s.Graph, flowOf(s.Graph), s.shapes())
				if err != nil {
					t.Fatal(err)
				}
				if found[0].value.Name != c.want {
					t.Errorf("%s; want %q", noteOf(found), c.want)
				}
			})
		}
	}
}

// shapes are those of the inputs for two examples.
func (s sketch) shapes() map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	for _, v := range s.Inputs {
		out[v.Name] = v.Type.Shape.Clone()
		out[v.Name][0] = 2
	}
	return out
}

// What is the same for every example is no feature.
func TestConstantsAreRefused(t *testing.T) {
	s := sketch{ir.New("constant")}
	x := s.trunk()
	fixed := s.node("fixed", "Mul", nil, s.weight("table", 2, 16), s.NewConst("two", tensor.Scalar(float32(2))))
	s.Outputs = []*ir.Value{fixed, s.product("fc", s.pool("features", x), 16, 5)}
	for name, want := range map[string]string{"fixed": "same for every example", "image": "is an input", "nothing": "no value, node or layer", "/head/linear/Gemm": "new head"} {
		_, err := AttachHead(s.Graph, HeadSpec{Classes: 2, Attach: []string{name}}, s.shapes())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("attaching to %s: %v, want %q", name, err, want)
		}
	}
	s.Outputs = s.Outputs[:1]
	if _, err := AttachHead(s.Graph, HeadSpec{Classes: 2}, s.shapes()); err == nil {
		t.Error("a model without an output that depends on its input gets a head")
	}
}

// A head finds the features of a map wherever transpositions and products have put them.
func TestFeatureAxis(t *testing.T) {
	s := sketch{ir.New("axes")}
	x := s.trunk()
	last := s.node("last", "Transpose", ir.Attrs{"perm": []int{0, 2, 3, 1}}, x)
	dense := s.node("dense/relu", "Relu", nil, s.product("dense", last, 16, 24))
	row := s.node("row", "Conv", ir.Attrs{"kernel_shape": []int{1}}, s.node("line", "Reshape", nil, x, s.ints("flat", 0, 16, 64)), s.weight("row.w", 20, 16, 1))
	s.Outputs = []*ir.Value{dense, row}
	for name, want := range map[string]int{"map": 16, "last": 16, "dense/relu": 24, "row": 20} {
		h, err := AttachHead(s.Graph, HeadSpec{Classes: 2, Attach: []string{name}}, s.shapes())
		if err != nil || h.Features != want {
			t.Errorf("%s: %+v, %v; want %d features", name, h, err, want)
		}
	}
}
