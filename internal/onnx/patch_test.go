package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestEmptyPatchGivesIdenticalBytes(t *testing.T) {
	for _, path := range sharedModels(t) {
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Patch{nil, {}, {Tensors: map[string]*tensor.Tensor{m.Params[0].Name: m.Params[0].Tensor}}} {
			r, err := m.patch(p, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(r.bytes(), m.data) {
				t.Errorf("%s: the patch %+v changes bytes", path, p)
			}
		}
		out := filepath.Join(t.TempDir(), "out.onnx")
		if err := m.WriteFile(out, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, m.data) {
			t.Errorf("%s: the written file differs (%v)", path, err)
		}
	}
}

// TestPatchChangesOnlyItsTensor writes one weight of every real model and looks at all the others.
func TestPatchChangesOnlyItsTensor(t *testing.T) {
	for _, path := range sharedModels(t) {
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		p := m.Params[len(m.Params)/2]
		to := p.Tensor.Clone()
		to.F32()[0] += 1
		b, err := m.Bytes(&Patch{Tensors: map[string]*tensor.Tensor{p.Name: to}})
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != len(m.data) {
			t.Errorf("%s: %d bytes became %d", path, len(m.data), len(b))
		}
		n, err := Parse(b, "")
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range n.Params {
			want := m.Params[i].Tensor
			if q.Name == p.Name {
				want = to
			}
			if !bytes.Equal(q.Tensor.Bytes, want.Bytes) {
				t.Errorf("%s: %s differs", path, q.Name)
			}
		}
	}
}

// net is a small network in every way in which a file can hold a weight:
//
//	x[?,3] -> MatMul(w) -> Add(b) -> Mul(c) -> y
func net(t testing.TB) []byte {
	t.Helper()
	g := ir.New("net")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3}})
	x.Dims = []string{"batch", ""}
	w := g.NewParam("w", tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 3, 2))
	b := g.NewParam("b", tensor.Of([]float32{1, -1}, 2))
	typ := ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 2}}
	h := g.AddNode(&ir.Node{Name: "fc/MatMul", Op: "MatMul", Inputs: []*ir.Value{x, w}}, []ir.Type{typ}, "h").Outputs[0]
	c := g.AddNode(&ir.Node{Name: "c/Constant", Op: "Constant", Attrs: ir.Attrs{"value": tensor.Of([]float32{2, 3}, 2)}},
		[]ir.Type{{DType: tensor.Float32, Shape: tensor.Shape{2}}}, "c").Outputs[0]
	s := g.AddNode(&ir.Node{Name: "fc/Add", Op: "Add", Inputs: []*ir.Value{h, b}}, []ir.Type{typ}, "s").Outputs[0]
	y := g.AddNode(&ir.Node{Name: "Mul", Op: "Mul", Inputs: []*ir.Value{s, c}}, []ir.Type{typ}, "y").Outputs[0]
	y.Dims = []string{"batch", ""}
	g.Outputs = []*ir.Value{y}
	data, err := Build(g, BuildOptions{Metadata: map[string]string{"kind": "test"}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func open(t testing.TB, data []byte) *Model {
	t.Helper()
	m, err := Parse(data, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBuildAndReadBack(t *testing.T) {
	m := open(t, net(t))
	if m.IRVersion != 8 || m.Opsets[""] != 17 || m.Producer != "permafrost" || m.Metadata["kind"] != "test" {
		t.Errorf("header %+v", m)
	}
	want := `graph net(x float32[?,3])
  %0 = MatMul(x, w)  # fc/MatMul
  %1 = Add(%0, b)  # fc/Add
  %2 = Mul(%1, c)  # Mul
  return %2
`
	if got := m.Graph.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if in := m.Inputs[0]; in.Dims[0] != "batch" || !in.Shape.Equal(tensor.Shape{-1, 3}) {
		t.Errorf("input %+v", in)
	}
	var names []string
	for _, p := range m.Params {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "w b c" {
		t.Errorf("params %s", got)
	}
	check(t, net(t))
}

func TestPatchEverything(t *testing.T) {
	m := open(t, net(t))
	p := &Patch{
		Tensors: map[string]*tensor.Tensor{
			"w": tensor.Of([]float32{9, 2, 3, 4, 5, 6}, 3, 2),
			"c": tensor.Of([]float32{7, 8}, 2),
		},
		AddInitializers:    []Initializer{{"head.w", tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)}, {"up", tensor.Scalar(float32(2))}},
		RemoveInitializers: []string{"b"},
		RemoveNodes:        []string{"s"},
		AddNodes: []*Node{
			{Name: "up/Mul", Op: "Mul", Inputs: []string{"h", "up"}, Outputs: []string{"h2"}, Before: "y"},
			{Name: "head/Gemm", Op: "Gemm", Inputs: []string{"y", "head.w"}, Outputs: []string{"logits"}, Attrs: ir.Attrs{"alpha": float32(0.5), "transB": 0}},
		},
		Rewire:   []Rewire{{"y", 0, "h2"}},
		Inputs:   []ValueInfo{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{-1, 3}, Dims: []string{"N", ""}}},
		Outputs:  []ValueInfo{{Name: "logits", DType: tensor.Float32, Shape: tensor.Shape{-1, 3}, Dims: []string{"N", ""}}},
		Metadata: map[string]string{"kind": "tuned", "labels": "a,b"},
	}
	b, err := m.Bytes(p)
	if err != nil {
		t.Fatal(err)
	}
	n := open(t, b)
	want := `graph net(x float32[?,3])
  %0 = MatMul(x, w)  # fc/MatMul
  %1 = Mul(%0, [2])  # up/Mul
  %2 = Mul(%1, c)  # Mul
  %3 = Gemm(%2, head.w) {alpha=0.5, transB=0}  # head/Gemm
  return %3
`
	want = strings.Replace(want, "[2]", "2", 1)
	if got := n.Graph.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := n.Param("w").Tensor.F32()[0]; got != 9 {
		t.Errorf("w[0] is %v", got)
	}
	if got := n.Param("c").Tensor.F32()[1]; got != 8 {
		t.Errorf("c[1] is %v", got)
	}
	if n.Metadata["kind"] != "tuned" || n.Metadata["labels"] != "a,b" || n.Inputs[0].Dims[0] != "N" || n.Outputs[0].Name != "logits" {
		t.Errorf("%+v", n)
	}
	check(t, b)

	l, err := m.PatchedLayout(p)
	if err != nil {
		t.Fatal(err)
	}
	if read := n.Layout(); l.Digest != read.Digest || len(l.Spans) == 0 {
		t.Errorf("digest %s of the file to write, %s of the written one; spans %v", l.Digest, read.Digest, l.Spans)
	}
	var whole []byte // put together again from skeleton, patch and base
	skeleton := l.Skeleton
	for _, s := range l.Spans {
		keep := s.Offset - len(whole)
		whole, skeleton = append(whole, skeleton[:keep]...), skeleton[keep:]
		from := l.Tensors[s.Name]
		if from == nil {
			from = m.Param(s.Name).Tensor
		}
		whole = append(whole, from.Bytes...)
	}
	if whole = append(whole, skeleton...); !bytes.Equal(whole, b) {
		t.Error("skeleton and spans do not give the written file")
	}
}

func TestPatchErrors(t *testing.T) {
	one := tensor.Of([]float32{1}, 1)
	for _, c := range []struct {
		name string
		p    Patch
		want string
	}{
		{"unknown tensor", Patch{Tensors: map[string]*tensor.Tensor{"q": one}}, `no tensor "q"`},
		{"other shape", Patch{Tensors: map[string]*tensor.Tensor{"w": one}}, `tensor "w" is float32[3,2], its new contents are float32[1]`},
		{"unknown initializer", Patch{RemoveInitializers: []string{"q"}}, `no initializer "q"`},
		{"initializer in use", Patch{RemoveInitializers: []string{"w"}}, `node "fc/MatMul" (MatMul): would read "w"`},
		{"node in use", Patch{RemoveNodes: []string{"h"}}, `node "fc/Add" (Add): would read "h"`},
		{"output gone", Patch{RemoveNodes: []string{"y"}}, `output "y" would not be defined`},
		{"unknown node", Patch{RemoveNodes: []string{"q"}}, `no node of the main graph computes "q"`},
		{"twice", Patch{AddInitializers: []Initializer{{"w", one}}}, `"w" would be defined twice`},
		{"twice by a node", Patch{AddNodes: []*Node{{Op: "Relu", Inputs: []string{"y"}, Outputs: []string{"h"}}}}, `"h" would be defined twice`},
		{"dangling", Patch{AddNodes: []*Node{{Name: "r", Op: "Relu", Inputs: []string{"q"}, Outputs: []string{"z"}}}}, `node "r" (Relu): reads "q"`},
		{"domain", Patch{AddNodes: []*Node{{Name: "r", Op: "Relu", Domain: "x.y", Inputs: []string{"y"}, Outputs: []string{"z"}}}}, `no operators of domain "x.y"`},
		{"unknown input", Patch{Inputs: []ValueInfo{{Name: "q"}}}, `no input "q"`},
		{"output undefined", Patch{Outputs: []ValueInfo{{Name: "q", DType: tensor.Float32}}}, `output "q" is not defined`},
		{"output untyped", Patch{Outputs: []ValueInfo{{Name: "y"}}}, `output "y" has no type`},
		{"rewire", Patch{Rewire: []Rewire{{"y", 2, "x"}}}, `node "Mul" (Mul): has no input 2`},
	} {
		if _, err := open(t, net(t)).Bytes(&c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestTrim(t *testing.T) {
	m := open(t, net(t))
	h := ValueInfo{Name: "h", DType: tensor.Float32, Shape: tensor.Shape{-1, 2}}
	for _, c := range []struct {
		name        string
		p           Patch
		nodes, init string
	}{
		{"cut", Patch{Outputs: []ValueInfo{h}}, "c s y", "b"},
		{"partly said", Patch{Outputs: []ValueInfo{h}, RemoveNodes: []string{"s"}}, "s c y", "b"},
		{"nothing", Patch{}, "", ""},
		{"rewired", Patch{Rewire: []Rewire{{"y", 0, "h"}}}, "s", "b"},
		{"a new head", Patch{
			AddNodes:        []*Node{{Name: "head", Op: "Mul", Inputs: []string{"s", "k"}, Outputs: []string{"z"}}},
			AddInitializers: []Initializer{{"k", tensor.Scalar(float32(2))}},
			Outputs:         []ValueInfo{{Name: "z", DType: tensor.Float32, Shape: tensor.Shape{-1, 2}}},
		}, "c y", ""},
	} {
		m.Trim(&c.p)
		if got := strings.Join(c.p.RemoveNodes, " "); got != c.nodes {
			t.Errorf("%s: removes nodes %q, want %q", c.name, got, c.nodes)
		}
		if got := strings.Join(c.p.RemoveInitializers, " "); got != c.init {
			t.Errorf("%s: removes initializers %q, want %q", c.name, got, c.init)
		}
		b, err := m.Bytes(&c.p)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if n := open(t, b); len(n.Graph.Nodes)+len(n.Params) > len(m.Graph.Nodes)+len(m.Params) {
			t.Errorf("%s: %v", c.name, n.Graph)
		}
	}
}
