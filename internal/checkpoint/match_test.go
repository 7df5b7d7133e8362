package checkpoint

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// layer is a node of a test model: its path, its output, and its inputs behind the previous result.
type layer struct {
	path    string
	attrs   ir.Attrs
	weights []*ir.Value
}

// model builds a chain of layers; the last part of a path is the operator.
func model(t *testing.T, layers ...layer) *onnx.Model {
	t.Helper()
	g := ir.New("test")
	v := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4, 8, 8}})
	v.Dims = []string{"batch", "", "", ""}
	second := map[*ir.Value]*ir.Value{}
	for _, l := range layers {
		op := l.path[strings.LastIndexByte(l.path, '/')+1:]
		if op == "Identity" { // gives a weight a second name
			n := g.AddNode(&ir.Node{Name: l.path, Op: op, Version: 17, Inputs: l.weights[:1]}, []ir.Type{{}}, l.weights[1].Name)
			second[l.weights[1]] = n.Outputs[0]
			continue
		}
		in := []*ir.Value{v}
		for _, w := range l.weights {
			in = append(in, cmp.Or(second[w], w))
		}
		n := g.AddNode(&ir.Node{Name: l.path, Op: op, Version: 17, Inputs: in, Attrs: l.attrs}, []ir.Type{{}}, l.path+"_output_0")
		v = n.Outputs[0]
	}
	v.Type = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}}
	v.Dims = []string{"batch", ""}
	g.Outputs = []*ir.Value{v}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, b)
}

func parse(t *testing.T, b []byte) *onnx.Model {
	t.Helper()
	m, err := onnx.Parse(b, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var g0 = ir.New("weights")

// param is a weight of the model; what it holds does not matter.
func param(name string, shape ...int) *ir.Value { return g0.NewParam(name, random(name, shape...)) }

// random is a tensor of numbers drawn from its name, all positive and far from 0.
func random(name string, shape ...int) *tensor.Tensor {
	var seed uint64
	for _, c := range name {
		seed = seed*31 + uint64(c)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	t := tensor.New(tensor.Float32, shape...)
	for i := range t.F32() {
		t.F32()[i] = 0.5 + r.Float32()
	}
	return t
}

// ckpt is a checkpoint of random tensors, "name 2,3" each.
func ckpt(specs ...string) *Checkpoint {
	c := &Checkpoint{Format: "test"}
	for _, s := range specs {
		name, dims, _ := strings.Cut(s, " ")
		var shape []int
		for d := range strings.SplitSeq(dims, ",") {
			var n int
			if _, err := fmt.Sscan(d, &n); err == nil {
				shape = append(shape, n)
			}
		}
		c.Tensors = append(c.Tensors, Named{name, random("ckpt "+name, shape...)})
	}
	return c
}

func (c *Checkpoint) get(name string) *tensor.Tensor {
	return c.Tensors[slices.IndexFunc(c.Tensors, func(t Named) bool { return t.Name == name })].Tensor
}

func norms(module string, n int) []string {
	var out []string
	for _, k := range []string{"weight", "bias", "running_mean", "running_var"} {
		out = append(out, fmt.Sprintf("%s.%s %d", module, k, n))
	}
	return out
}

// network has two convolutions with folded batch norm, a transposed square matrix and a classifier.
func network(t *testing.T) *onnx.Model {
	return model(t,
		layer{"/conv1/Conv", ir.Attrs{"pads": []int{1, 1, 1, 1}}, []*ir.Value{param("onnx::Conv_10", 4, 4, 3, 3), param("onnx::Conv_11", 4)}},
		layer{"/body/body.0/Conv", nil, []*ir.Value{param("onnx::Conv_13", 4, 4, 1, 1), param("onnx::Conv_14", 4)}},
		layer{"/pool/GlobalAveragePool", nil, nil},
		layer{"/Flatten", nil, nil},
		layer{"/proj/MatMul", nil, []*ir.Value{param("onnx::MatMul_20", 4, 4)}},
		layer{"/proj/Add", nil, []*ir.Value{param("proj.bias", 4)}},
		layer{"/fc/Gemm", ir.Attrs{"transB": 1}, []*ir.Value{param("fc.weight", 4, 4), param("fc.bias", 4)}})
}

func weights() *Checkpoint {
	specs := slices.Concat([]string{"proj.weight 4,4", "fc.weight 4,4"}, norms("body.1", 4), []string{"conv1.weight 4,4,3,3"}, norms("bn1", 4),
		[]string{"body.0.weight 4,4,1,1", "proj.bias 4", "fc.bias 4"})
	c := ckpt(specs...)
	c.Tensors = append(c.Tensors, Named{"bn1.num_batches_tracked", tensor.Scalar(int64(3))})
	return c
}

func find(t *testing.T, m *onnx.Model, c *Checkpoint, o Options) *Result {
	t.Helper()
	r, err := Find(m, c, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// apply puts the checkpoint into the model.
func apply(t *testing.T, m *onnx.Model, r *Result) *onnx.Model {
	t.Helper()
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	b, err := m.Bytes(r.Patch())
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, b)
}

func TestFind(t *testing.T) {
	c := weights()
	r := find(t, network(t), c, Options{})
	m := apply(t, network(t), r)
	var how []string
	for _, mt := range r.Matched {
		how = append(how, fmt.Sprintf("%s = %s: %s", mt.Tensor, strings.Join(mt.From, " "), mt.How))
	}
	want := []string{
		"onnx::Conv_10 = conv1.weight bn1.weight bn1.bias bn1.running_mean bn1.running_var: node path, folded",
		"onnx::Conv_11 = bn1.weight bn1.bias bn1.running_mean bn1.running_var: node path, folded",
		"onnx::Conv_13 = body.0.weight body.1.weight body.1.bias body.1.running_mean body.1.running_var: node path, folded",
		"onnx::Conv_14 = body.1.weight body.1.bias body.1.running_mean body.1.running_var: node path, folded",
		"onnx::MatMul_20 = proj.weight: node path, transposed",
		"proj.bias = proj.bias: equal name", "fc.weight = fc.weight: equal name", "fc.bias = fc.bias: equal name"}
	if !slices.Equal(how, want) {
		t.Errorf("matched\n%s\nwant\n%s", strings.Join(how, "\n"), strings.Join(want, "\n"))
	}
	if r.Integers != 1 || r.Eps != 1e-5 {
		t.Errorf("%d integers, eps %g", r.Integers, r.Eps)
	}
	w, p := c.get("proj.weight").F32(), m.Param("onnx::MatMul_20").Tensor.F32()
	if p[1] != w[4] || p[4] != w[1] {
		t.Error("the matrix is not transposed")
	}
	s := c.get("bn1.weight").F32()[2] / float32(math.Sqrt(float64(c.get("bn1.running_var").F32()[2]+1e-5)))
	if got, want := m.Param("onnx::Conv_10").Tensor.F32()[2*36+5], c.get("conv1.weight").F32()[2*36+5]*s; got != want {
		t.Errorf("folded weight %g, want %g", got, want)
	}
	shift := float32(-c.get("bn1.running_mean").F32()[2]*s) + c.get("bn1.bias").F32()[2]
	if got := m.Param("onnx::Conv_11").Tensor.F32()[2]; got != shift {
		t.Errorf("folded bias %g, want %g", got, shift)
	}
}

// Names may carry prefixes on either side, and the tensors may come in any order.
func TestPrefixes(t *testing.T) {
	for _, prefix := range []string{"module.", "model.", "net.inner."} {
		c := weights()
		for i := range c.Tensors {
			c.Tensors[i].Name = prefix + c.Tensors[i].Name
		}
		slices.Reverse(c.Tensors)
		if r := find(t, network(t), c, Options{}); r.Check() != nil || r.Stripped != prefix {
			t.Errorf("%s: %v, stripped %q", prefix, r.Check(), r.Stripped)
		}
	}
	wrapped := model(t, layer{"/backbone/proj/MatMul", nil, []*ir.Value{param("onnx::MatMul_20", 4, 6)}},
		layer{"/backbone/proj/Add", nil, []*ir.Value{param("backbone.proj.bias", 6)}})
	if r := find(t, wrapped, ckpt("proj.weight 6,4", "proj.bias 6"), Options{}); r.Check() != nil || r.Added != "backbone." {
		t.Errorf("%v, added %q", r.Check(), r.Added)
	}
}

// Parameters that were equal when the model was exported, and therefore one, come apart.
func TestMerged(t *testing.T) {
	scale, second := param("bn1.weight", 4), param("bn2.weight", 4)
	m := model(t, layer{"/Identity", nil, []*ir.Value{scale, second}},
		layer{"/bn1/Mul", nil, []*ir.Value{scale}}, layer{"/bn2/Mul", nil, []*ir.Value{second}})
	if len(m.Params) != 1 {
		t.Fatalf("%d parameters, want one with two names", len(m.Params))
	}
	c := ckpt("bn1.weight 4", "bn2.weight 4")
	got := apply(t, m, find(t, m, c, Options{}))
	for _, x := range c.Tensors {
		if p := got.Param(x.Name); p == nil || !same(p.Tensor, x.Tensor) {
			t.Errorf("%s is not the checkpoint's", x.Name)
		}
	}
	c.Tensors[1].Tensor = c.Tensors[0].Tensor
	if got := apply(t, m, find(t, m, c, Options{})); len(got.Params) != 1 {
		t.Errorf("%d parameters, want equal ones to stay one", len(got.Params))
	}
	d, err := Export(m, "")
	if err != nil || len(d.Tensors) != 2 {
		t.Errorf("exported %d tensors, %v", len(d.Tensors), err)
	}
}

func TestMismatch(t *testing.T) {
	half := weights()
	half.Tensors[0].Tensor = convert(half.Tensors[0].Tensor, tensor.Float16)
	double := weights()
	double.Tensors[0].Tensor = convert(double.Tensors[0].Tensor, tensor.Float64)
	without := func(names ...string) *Checkpoint {
		c := weights()
		c.Tensors = slices.DeleteFunc(c.Tensors, func(t Named) bool { return slices.Contains(names, t.Name) })
		return c
	}
	with := weights()
	with.Tensors = append(with.Tensors, Named{"aux.weight", random("aux", 3)})
	other := weights()
	other.Tensors[1].Tensor = random("fc", 10, 4)
	for _, tt := range []struct {
		name string
		c    *Checkpoint
		o    Options
		want string // of the error, "" for none
	}{
		{"all", weights(), Options{}, ""},
		{"wider type", half, Options{}, ""},
		{"narrower type", double, Options{}, "lacks onnx::MatMul_20"},
		{"narrower type asked for", double, Options{Convert: true}, ""},
		{"missing", without("fc.bias"), Options{}, "the checkpoint lacks fc.bias"},
		{"missing and kept", without("fc.bias", "fc.weight"), Options{Keep: []string{"fc.*"}}, ""},
		{"a norm without a variance", without("bn1.running_var"), Options{}, "the model lacks bn1.weight"},
		{"left over", with, Options{}, "the model lacks aux.weight"},
		{"left over and ignored", with, Options{Ignore: []string{"aux.*"}}, ""},
		{"another size", other, Options{}, "the checkpoint lacks fc.weight"},
		{"another architecture", ckpt("encoder.0.kernel 3,3", "encoder.1.kernel 7"), Options{}, "nothing matches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := find(t, network(t), tt.c, tt.o).Check()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := Find(network(t), weights(), Options{Keep: []string{"["}}); err == nil {
		t.Error("a bad glob is no error")
	}
}

// The names in a model may be kept by the tool that folded the batch norm.
func TestPair(t *testing.T) {
	for _, tt := range []struct {
		name         string
		convs, norms []string
		want         string
	}{
		{"numbers", []string{"conv1", "conv2"}, []string{"bn2", "bn1"}, "conv1=bn1 conv2=bn2"},
		{"sequential", []string{"f.0", "f.3"}, []string{"f.1", "f.4"}, "f.0=f.1 f.3=f.4"},
		{"no numbers", []string{"a.conv", "b.conv"}, []string{"b.norm", "a.norm"}, "a.conv=a.norm b.conv=b.norm"},
		{"order", []string{"conv_pw", "conv_dw", "conv_pwl"}, []string{"bn3", "bn10", "bn2"}, "conv_pw=bn2 conv_dw=bn3 conv_pwl=bn10"},
		{"the other numbers", []string{"l.conv1"}, []string{"l.norm2"}, "l.conv1=l.norm2"},
		{"far apart", []string{"a.conv"}, []string{"b.norm"}, "a.conv=b.norm"},
		{"two that could be", []string{"a.x", "b.x"}, []string{"c.norm"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cs []*convolution
			for _, c := range tt.convs {
				cs = append(cs, &convolution{module: c, channels: 4})
			}
			var ns []*norm
			for _, n := range tt.norms {
				ns = append(ns, &norm{module: n, channels: 4})
			}
			pairs := pair(cs, ns)
			var got []string
			for _, c := range cs {
				if n := pairs[c]; n != nil {
					got = append(got, c.module+"="+n.module)
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("paired %s, want %s", s, tt.want)
			}
		})
	}
}
