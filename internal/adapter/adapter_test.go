package adapter

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// raw builds raw graphs with seeded weights.
type raw struct {
	*ir.Graph
	r *rand.Rand
}

func newRaw() *raw { return &raw{ir.New("test"), rand.New(rand.NewPCG(7, 8))} }

func (g *raw) param(name string, shape ...int) *ir.Value {
	t := tensor.New(tensor.Float32, shape...)
	for i, d := 0, t.F32(); i < len(d); i++ {
		d[i] = float32(g.r.NormFloat64()) / 3
	}
	return g.NewParam(name, t)
}

func (g *raw) node(path, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
	return g.AddNode(&ir.Node{Name: path, Op: op, Inputs: in, Attrs: attrs, Version: 17}, []ir.Type{{}}, path+"_output_0").Outputs[0]
}

func (g *raw) input(name string, shape ...int) *ir.Value {
	return g.AddInput(name, ir.Type{DType: tensor.Float32, Shape: shape})
}

// transformer is a layer of attention with two heads of 4 and a gated feed-forward part: queries by
// Gemm-like products, values from a weight that is stored transposed, keys with a bias.
func transformer() *raw {
	g := newRaw()
	x := g.input("x", -1, 3, 8)
	q := g.node("/q/MatMul", "MatMul", nil, x, g.param("q.weight", 8, 8))
	k := g.node("/k/Add", "Add", nil, g.node("/k/MatMul", "MatMul", nil, x, g.param("k.weight", 8, 8)), g.param("k.bias", 8))
	v := g.node("/v/MatMul", "MatMul", nil, x, g.node("/v/Transpose", "Transpose", ir.Attrs{"perm": []int{1, 0}}, g.param("v.weight", 8, 8)))
	shape := g.NewConst("heads", tensor.Of([]int64{0, 3, 2, 4}, 4))
	split := func(v *ir.Value, path string, perm ...int) *ir.Value {
		return g.node(path+"/T", "Transpose", ir.Attrs{"perm": perm}, g.node(path+"/R", "Reshape", nil, v, shape))
	}
	scores := g.node("/qk", "MatMul", nil, split(q, "/sq", 0, 2, 1, 3), split(k, "/sk", 0, 2, 3, 1))
	scores = g.node("/scale", "Div", nil, scores, g.NewConst("two", tensor.Scalar[float32](2)))
	out := g.node("/av", "MatMul", nil, g.node("/softmax", "Softmax", ir.Attrs{"axis": -1}, scores), split(v, "/sv", 0, 2, 1, 3))
	out = g.node("/join", "Reshape", nil, g.node("/back", "Transpose", ir.Attrs{"perm": []int{0, 2, 1, 3}}, out), g.NewConst("flat", tensor.Of([]int64{0, 3, 8}, 3)))
	h := g.node("/add", "Add", nil, x, g.node("/o/MatMul", "MatMul", nil, out, g.param("o.weight", 8, 8)))
	gate := g.node("/gate/MatMul", "MatMul", nil, h, g.param("gate.weight", 8, 12))
	gate = g.node("/silu", "Mul", nil, gate, g.node("/sigmoid", "Sigmoid", nil, gate))
	up := g.node("/up/MatMul", "MatMul", nil, h, g.param("up.weight", 8, 12))
	down := g.node("/down/MatMul", "MatMul", nil, g.node("/gated", "Mul", nil, gate, up), g.param("down.weight", 12, 8))
	g.Outputs = []*ir.Value{g.node("/out", "Add", nil, h, down)}
	return g
}

// convolutions is a small network with a strided, a grouped and a depthwise convolution, and a
// linear layer of Gemm with a factor.
func convolutions() *raw {
	g := newRaw()
	x := g.input("x", -1, 4, 6, 6)
	h := g.node("/c1/Conv", "Conv", ir.Attrs{"kernel_shape": []int{3, 3}, "pads": []int{1, 1, 1, 1}, "strides": []int{2, 2}}, x, g.param("c1.weight", 8, 4, 3, 3), g.param("c1.bias", 8))
	h = g.node("/relu", "Relu", nil, h)
	h = g.node("/c2/Conv", "Conv", ir.Attrs{"kernel_shape": []int{3, 3}, "pads": []int{1, 1, 1, 1}, "group": 2}, h, g.param("c2.weight", 8, 4, 3, 3))
	h = g.node("/c3/Conv", "Conv", ir.Attrs{"kernel_shape": []int{3, 3}, "group": 8}, h, g.param("c3.weight", 8, 1, 3, 3))
	h = g.node("/flatten", "Flatten", ir.Attrs{"axis": 1}, h)
	g.Outputs = []*ir.Value{g.node("/l/Gemm", "Gemm", ir.Attrs{"alpha": float32(0.5), "transB": 1}, h, g.param("l.weight", 10, 8), g.param("l.bias", 10))}
	return g
}

// run computes a raw graph on a batch of two seeded inputs.
func run(t *testing.T, g *ir.Graph) *tensor.Tensor {
	t.Helper()
	shapes := map[string]tensor.Shape{}
	for _, v := range g.Inputs {
		s := v.Type.Shape.Clone()
		s[0] = 2
		shapes[v.Name] = s
	}
	s, err := compile.Model(g, compile.Options{Shapes: shapes, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile.Region(s, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	x := tensor.New(tensor.Float32, s.Inputs[0].Type.Shape...)
	for i, d := 0, x.F32(); i < len(d); i++ {
		d[i] = float32(r.NormFloat64())
	}
	out, err := p.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Clone()
}

func draw(n, inputs, index int) []float32 {
	r := rand.New(rand.NewPCG(uint64(index), 3))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(r.NormFloat64()) / 4
	}
	return w
}

// TestAdd checks for every network and kind what gets an adapter, that it starts as the function it
// was, and that merging agrees with adapters that have moved.
func TestAdd(t *testing.T) {
	for _, c := range []struct {
		name    string
		graph   func() *raw
		spec    string
		alpha   float64
		targets []string
		want    string // weights
		skipped int
	}{
		{"lora of attention", transformer, "lora:2", 0, nil, "q.lora_A q.lora_B k.lora_A k.lora_B v.lora_A v.lora_B o.lora_A o.lora_B " +
			"gate.lora_A gate.lora_B up.lora_A up.lora_B down.lora_A down.lora_B", 0},
		{"lora where it is told", transformer, "lora:1", 3, []string{"v.*", "down.weight"}, "v.lora_A v.lora_B down.lora_A down.lora_B", 0},
		{"ia3 of attention", transformer, "ia3", 0, nil, "k.ia3 v.ia3 down.ia3", 0},
		{"ia3 where it is told", transformer, "ia3", 0, []string{"/o/*", "k.*"}, "k.ia3 o.ia3", 0},
		{"a rank for each layer", transformer, "lora:2@q,k+ia3@down.*+lora:1@v", 0, nil, "q.lora_A q.lora_B k.lora_A k.lora_B v.lora_A v.lora_B down.ia3", 0},
		{"the order of the parts", transformer, "lora:1@v + ia3@down.* + lora:2@k + lora:2@q", 0, nil, "q.lora_A q.lora_B k.lora_A k.lora_B v.lora_A v.lora_B down.ia3", 0},
		{"the other layers", transformer, "lora:2+none@kind:feedforward", 0, nil, "q.lora_A q.lora_B k.lora_A k.lora_B v.lora_A v.lora_B o.lora_A o.lora_B", 0},
		{"one kind of the targets", transformer, "lora:2@kind:query,kind:value+lora:1@kind:feedforward", 0, []string{"kind:value", "kind:feedforward"}, "v.lora_A v.lora_B gate.lora_A gate.lora_B up.lora_A up.lora_B down.lora_A down.lora_B", 0},
		{"layers that the targets leave out", transformer, "lora:2@q+lora:1@v", 0, []string{"v"}, "v.lora_A v.lora_B", 1},
		{"a rank for convolutions, another for the rest", convolutions, "lora:1@c1.*+lora:2", 1, nil, "c1.lora_A c1.lora_B c2.lora_A c2.lora_B l.lora_A l.lora_B", 1},
		{"lora of convolutions", convolutions, "lora:2", 1, nil, "c1.lora_A c1.lora_B c2.lora_A c2.lora_B l.lora_A l.lora_B", 1},
		{"ia3 of convolutions", convolutions, "ia3", 0, nil, "c1.ia3 c2.ia3 c3.ia3", 0},
		{"ia3 of a linear layer", convolutions, "ia3", 0, []string{"l.weight"}, "l.ia3", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := c.graph()
			before := run(t, g.Graph)
			spec, err := Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			spec.Alpha, spec.Targets, spec.Draw = c.alpha, c.targets, draw
			a, err := Add(g.Graph, freeze.Describe(g.Graph, nil), spec)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(a.Weights, " "); got != c.want || len(a.Skipped) != c.skipped {
				t.Errorf("adapters %s, skipped %q; want %s and %d", got, a.Skipped, c.want, c.skipped)
			}
			if err := tensor.Close(run(t, g.Graph), before, tensor.Tolerance{Name: "start", Rel: 1e-6, Abs: 1e-6}); err != nil {
				t.Errorf("the start is another function: %v", err)
			}
			for _, n := range a.Nodes {
				if n.Domain != "" || ir.Lookup(n.Op) == nil {
					t.Errorf("node %q is a %s of domain %q", n.Name, n.Op, n.Domain)
				}
			}
			set := freeze.Describe(g.Graph, nil)
			for i, name := range a.Weights {
				w := set.ByName(name)
				if w.Role != freeze.RoleAdapter {
					t.Errorf("%s is a %s", name, w.Role)
				}
				for k, v := range draw(w.Len(), 1, 100+i) {
					w.Value.Data.F32()[k] += v
				}
			}
			moved := run(t, g.Graph)
			if tensor.Close(moved, before, tensor.Tolerance{Abs: 1e-3}) == nil {
				t.Error("adapters change nothing")
			}
			merged, err := a.Merge()
			if err != nil {
				t.Fatal(err)
			}
			plain := c.graph()
			for _, w := range freeze.Describe(plain.Graph, nil).Weights {
				if m := merged[w.Name]; m != nil {
					copy(w.Value.Data.Bytes, m.Bytes)
				}
			}
			if err := tensor.Close(run(t, plain.Graph), moved, tensor.Tolerance{Name: "merged", Rel: 1e-5, Abs: 1e-5}); err != nil {
				t.Errorf("merged: %v", err)
			}
		})
	}
}

// TestGradients holds the gradients of adapters that have moved against finite differences of the
// loss ½Σy² in a random direction.
func TestGradients(t *testing.T) {
	for name, c := range map[string]struct {
		graph *raw
		spec  Spec
	}{
		"lora of attention":    {transformer(), Spec{Parts: []Part{{Kind: LoRA, Rank: 2}}, Alpha: 3}},
		"ia3 of attention":     {transformer(), Spec{Parts: []Part{{Kind: IA3}}}},
		"lora of convolutions": {convolutions(), Spec{Parts: []Part{{Kind: LoRA, Rank: 2}}}},
		"ia3 of convolutions":  {convolutions(), Spec{Parts: []Part{{Kind: IA3}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Draw = draw
			a, err := Add(c.graph.Graph, freeze.Describe(c.graph.Graph, nil), c.spec)
			if err != nil {
				t.Fatal(err)
			}
			shape := c.graph.Inputs[0].Type.Shape.Clone()
			shape[0] = 2
			g, err := compile.Model(c.graph.Graph, compile.Options{Shapes: map[string]tensor.Shape{"x": shape}, Plain: true})
			if err != nil {
				t.Fatal(err)
			}
			b := ir.NewBuilder(g, "loss")
			y := g.Outputs[0]
			axes := make([]int, len(y.Type.Shape))
			for i := range axes {
				axes[i] = i
			}
			loss := b.Op("Mul", nil, b.Float(0.5), b.Op("ReduceSum", ir.Attrs{"axes": axes, "keepdims": 0}, b.Op("Mul", nil, y, y)))
			if err := b.Err(); err != nil {
				t.Fatal(err)
			}
			var wrt []*ir.Value
			for i, p := range g.Params() {
				if slices.Contains(a.Weights, p.Name) {
					wrt = append(wrt, p)
					for k, v := range draw(p.Data.Len(), 1, 50+i) {
						p.Data.F32()[k] += v
					}
				}
			}
			if len(wrt) != len(a.Weights) {
				t.Fatalf("%d of %d adapters are in the graph", len(wrt), len(a.Weights))
			}
			grads, err := grad.Differentiate(g, loss, wrt)
			if err != nil {
				t.Fatal(err)
			}
			g.Outputs = append([]*ir.Value{loss}, grads...)
			p, err := compile.Region(g, compile.Memory{})
			if err != nil {
				t.Fatal(err)
			}
			x := tensor.Of(draw(shape.Len(), 1, 99), shape...)
			at := func() []*tensor.Tensor {
				out, err := p.Run(context.Background(), x)
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			var now []*tensor.Tensor
			for _, v := range at() {
				now = append(now, v.Clone())
			}
			for i, w := range wrt {
				const h = 1e-2
				d := draw(w.Data.Len(), 1, 200+i)
				move := func(by float32) {
					for k := range d {
						w.Data.F32()[k] += by * d[k]
					}
				}
				want := 0.0
				for k, v := range now[1+i].F32() {
					want += float64(v) * float64(d[k])
				}
				move(h)
				up := float64(at()[0].F32()[0])
				move(-2 * h)
				got := (up - float64(at()[0].F32()[0])) / (2 * h)
				move(h)
				if math.Abs(got-want) > 1e-2*(math.Abs(want)+0.05*math.Abs(float64(now[0].F32()[0]))) {
					t.Errorf("%s: the loss changes by %g along a direction, the gradient says %g", w.Name, got, want)
				}
			}
		})
	}
}

// TestAddTwice checks that names stay apart where a network that has adapters gets some again.
func TestAddTwice(t *testing.T) {
	g := transformer()
	spec := Spec{Parts: []Part{{Kind: LoRA, Rank: 2}}, Draw: draw}
	for range 2 {
		if _, err := Add(g.Graph, freeze.Describe(g.Graph, nil), spec); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]bool{}
	for _, n := range g.Nodes {
		if names[n.Name] || names[n.Outputs[0].Name] {
			t.Errorf("%q is there twice", n.Name)
		}
		names[n.Name], names[n.Outputs[0].Name] = true, true
	}
	if got := len(g.Params()); got != 8+4*7 {
		t.Errorf("%d weights, want two pairs for each of 7 matrices beside the 8 that were there", got)
	}
}

// TestTied checks that layers which read one weight share an adapter.
func TestTied(t *testing.T) {
	g := newRaw()
	x := g.input("x", -1, 8)
	w := g.param("w.weight", 8, 8)
	h := g.node("/a/MatMul", "MatMul", nil, x, w)
	g.Outputs = []*ir.Value{g.node("/b/MatMul", "MatMul", nil, g.node("/relu", "Relu", nil, h), g.node("/id", "Identity", nil, w))}
	a, err := Add(g.Graph, freeze.Describe(g.Graph, nil), Spec{Parts: []Part{{Kind: LoRA, Rank: 2}}, Draw: draw})
	if err != nil || len(a.Weights) != 2 || len(a.Nodes) != 6 {
		t.Fatalf("%+v, %v: want one pair and three nodes beside each layer", a, err)
	}
}

func TestHalf(t *testing.T) {
	g := newRaw()
	x := g.node("/in", "Cast", ir.Attrs{"to": onnx.Code(tensor.Float16)}, g.input("x", -1, 8))
	w := g.NewParam("w.weight", rounded(widened(draw(64, 1, 1)), &tensor.Tensor{DType: tensor.Float16, Shape: tensor.Shape{8, 8}}))
	y := g.node("/a/MatMul", "MatMul", nil, x, w)
	g.Outputs = []*ir.Value{g.node("/out", "Cast", ir.Attrs{"to": onnx.Code(tensor.Float32)}, y)}
	before := run(t, g.Graph)
	a, err := Add(g.Graph, freeze.Describe(g.Graph, nil), Spec{Parts: []Part{{Kind: LoRA, Rank: 2}}, Draw: draw, Alpha: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Params() {
		if p.Name != "w.weight" && p.Type.DType != tensor.Float32 {
			t.Errorf("%s is %v", p.Name, p.Type.DType)
		}
	}
	if err := tensor.Close(run(t, g.Graph), before, tensor.Tolerance{}); err != nil {
		t.Error(err)
	}
	m, err := a.Merge()
	if err != nil || m["w.weight"].DType != tensor.Float16 || string(m["w.weight"].Bytes) != string(w.Data.Bytes) {
		t.Errorf("merged %v, %v: a product of zero changed the weight", m, err)
	}
}

func TestErrors(t *testing.T) {
	for s, want := range map[string]string{"lora:8@": "no layers", "lora:8+lora:2": "only one part", "lora:8+none": "needs layers", "none@q": "adds nothing",
		"lora:8@q+": "none of", "lora:8@q+lora:x@k": "lora:x@k", "lora": "rank", "lora:0": "rank", "lora:x": "rank", "ia4": "none of", "": "none of"} {
		if _, err := Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, c := range []struct {
		graph *raw
		spec  Spec
		want  string
	}{
		{transformer(), Spec{Parts: []Part{{Kind: LoRA, Rank: 8}}}, "no layer can have one"},
		{transformer(), Spec{Parts: []Part{{Kind: LoRA, Rank: 1}}, Targets: []string{"k.bias"}}, "no weight of a linear layer"},
		{transformer(), Spec{Parts: []Part{{Kind: LoRA, Rank: 1}}, Targets: []string{"nothing"}}, "matches no weight"},
		{transformer(), Spec{Parts: []Part{{Kind: LoRA, Rank: 1}}, Targets: []string{"q.*"}, Outputs: []string{"/q/MatMul_output_0"}}, "is an output of the model"},
		{transformer(), Spec{Parts: []Part{{LoRA, 1, "wings"}}}, "matches no weight"},
		{transformer(), Spec{Parts: []Part{{LoRA, 1, "k.bias"}}}, "no weight of a linear layer"},
		{transformer(), Spec{Parts: []Part{{LoRA, 1, "k"}, {LoRA, 2, "all"}}}, "both name \"k.weight\""},
		{&raw{Graph: func() *ir.Graph {
			g := newRaw()
			g.Outputs = []*ir.Value{g.node("/add", "Add", nil, g.input("x", -1, 8), g.param("b", 8))}
			return g.Graph
		}()}, Spec{Parts: []Part{{Kind: IA3}}}, "no linear layer or convolution"},
	} {
		c.spec.Draw = draw
		if _, err := Add(c.graph.Graph, freeze.Describe(c.graph.Graph, nil), c.spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", c.spec, err, c.want)
		}
	}
	g := transformer() // a bias that two layers share cannot be scaled for one
	b := g.Params()[slices.IndexFunc(g.Params(), func(v *ir.Value) bool { return v.Name == "k.bias" })]
	g.Outputs[0] = g.node("/more", "Add", nil, g.Outputs[0], b)
	a, err := Add(g.Graph, freeze.Describe(g.Graph, nil), Spec{Parts: []Part{{Kind: IA3}}, Draw: draw})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Merge(); err == nil || !strings.Contains(err.Error(), "serves other layers") {
		t.Errorf("merged a shared bias: %v", err)
	}
}

func widened(v []float32) []float64 { return tensor.Of(v).Float64s() }
