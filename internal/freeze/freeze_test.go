package freeze

import (
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// toy is a raw graph of two residual-like stages, tied embeddings apart:
//
//	stem.conv, stem.bn | layer1.0.{conv1,bn1,conv2} | layer2.0.{conv1,conv2} | fc (head)
func toy() *ir.Graph {
	g := ir.New("toy")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3, 8, 8}})
	param := func(name string, shape ...int) *ir.Value {
		return g.NewParam(name, tensor.New(tensor.Float32, shape...))
	}
	node := func(path, op string, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: path, Op: op, Inputs: in, Version: 17}, []ir.Type{{}}).Outputs[0]
	}
	conv := func(in *ir.Value, path, name string) *ir.Value {
		return node(path+"/Conv", "Conv", in, param(name+".weight", 4, 4, 3, 3), param(name+".bias", 4))
	}
	norm := func(in *ir.Value, path, name string) *ir.Value {
		return node(path+"/BatchNormalization", "BatchNormalization", in, param(name+".weight", 4), param(name+".bias", 4),
			param(name+".running_mean", 4), param(name+".running_var", 4))
	}
	h := norm(conv(x, "/stem/conv", "stem.conv"), "/stem/bn", "stem.bn")
	before := h
	h = norm(conv(h, "/layer1/layer1.0/conv1", "layer1.0.conv1"), "/layer1/layer1.0/bn1", "layer1.0.bn1")
	h = node("/layer1/layer1.0/Add", "Add", conv(h, "/layer1/layer1.0/conv2", "layer1.0.conv2"), before)
	before = h
	h = conv(h, "/layer2/layer2.0/conv1", "layer2.0.conv1")
	h = node("/layer2/layer2.0/Add", "Add", conv(h, "/layer2/layer2.0/conv2", "layer2.0.conv2"), before)
	h = node("/Flatten", "Flatten", h)
	g.Outputs = []*ir.Value{node("/fc/Gemm", "Gemm", h, param("fc.weight", 10, 4), param("fc.bias", 10))}
	return g
}

func describe() *Set { return Describe(toy(), []string{"fc.weight", "fc.bias"}) }

func names(ws []*Weight) string {
	var out []string
	for _, w := range ws {
		out = append(out, w.Name)
	}
	return strings.Join(out, " ")
}

func TestBlocks(t *testing.T) {
	s := describe()
	if got := strings.Join(s.Blocks, " "); got != "stem.conv layer1.0 layer2.0" {
		t.Fatalf("blocks: %s", got)
	}
	if w := s.ByName("stem.bn.weight"); w.Block != 0 {
		t.Errorf("the stem's norm is in block %d, want the stem's", w.Block)
	}
	if w := s.ByName("fc.weight"); w.Block != -1 || !w.Head {
		t.Errorf("the head is in block %d", w.Block)
	}
}

func TestSelect(t *testing.T) {
	for _, c := range []struct{ list, want string }{
		{"head", "fc.weight fc.bias"},
		{"none", ""},
		{"last:1", "layer2.0.conv1.weight layer2.0.conv1.bias layer2.0.conv2.weight layer2.0.conv2.bias"},
		{"first:1,!kind:norm", "stem.conv.weight stem.conv.bias"},
		{"kind:norm", "stem.bn.weight stem.bn.bias layer1.0.bn1.weight layer1.0.bn1.bias"},
		{"kind:shift", "stem.bn.bias layer1.0.bn1.bias"},
		{"kind:bias,!fc.*,!/layer2/*,!stem.*", "layer1.0.conv1.bias layer1.0.conv2.bias"},
		{"layer2.*.weight", "layer2.0.conv1.weight layer2.0.conv2.weight"},
		{"/layer2/layer2.0/conv2/Conv", "layer2.0.conv2.weight layer2.0.conv2.bias"},
		{"/layer1/*,!kind:bias,!kind:norm", "layer1.0.conv1.weight layer1.0.conv2.weight"},
		{`re:^layer1\.0\.conv(1|2)\.weight$`, "layer1.0.conv1.weight layer1.0.conv2.weight"},
		{"depth:70%-100%,!kind:bias", "layer2.0.conv1.weight layer2.0.conv2.weight"},
		{"all,!layer*,!stem*", "fc.weight fc.bias"},
		{"!head,head", "fc.weight fc.bias"},
		{"layer2", "layer2.0.conv1.weight layer2.0.conv1.bias layer2.0.conv2.weight layer2.0.conv2.bias"},
		{"/layer2", "layer2.0.conv1.weight layer2.0.conv1.bias layer2.0.conv2.weight layer2.0.conv2.bias"},
		{"layer2.0,!layer2.0.conv1", "layer2.0.conv2.weight layer2.0.conv2.bias"},
		{"stem.bn", "stem.bn.weight stem.bn.bias"},
		{"layer1.0.conv[12].bias", "layer1.0.conv1.bias layer1.0.conv2.bias"},
	} {
		ws, err := describe().Select([]string{c.list})
		if err != nil || names(ws) != c.want {
			t.Errorf("%s: %s (%v), want %s", c.list, names(ws), err, c.want)
		}
	}
}

func TestSelectErrors(t *testing.T) {
	for _, c := range []struct{ sel, want string }{
		{"layer3.0.conv1.weight", "nearest names are layer1.0.conv1.weight, layer2.0.conv1.weight"},
		{"last:7", "has 3 blocks"},
		{"last:x", "give a number"},
		{"kind:foo", "kinds are"},
		{"re:(", "missing closing )"},
		{"depth:80%-20%", "smaller end first"},
		{"stem.bn.running_mean", "matches no weight"},
		{"a[", "unclosed ["},
		{"layer", "matches no weight"}, // no part of a name
		{"layer22", "nearest names are layer2,"},
		{"last1", "is last:1 meant?"},
		{"lastt:1", "is last:1 meant?"},
		{"kind-bias", "is kind:bias meant?"},
	} {
		_, err := describe().Select([]string{c.sel})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.sel, err, c.want)
		}
	}
}

func TestPlan(t *testing.T) {
	s := describe()
	p, err := New(s, Options{Thaw: []string{"layer1.0.bn1.weight", "head"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]State{
		"layer1.0.bn1.weight": Thaw, "layer1.0.bn1.bias": Frozen, "layer1.0.bn1.running_mean": Tracking,
		"stem.bn.running_mean": Frozen, "fc.weight": Thaw, "stem.conv.weight": Frozen,
	} {
		if got := p.Of(name).State; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	frozen, err := New(s, Options{Thaw: []string{"layer1.*"}, BatchNorm: "frozen"})
	if err != nil {
		t.Fatal(err)
	}
	if got := frozen.Of("layer1.0.bn1.running_var").State; got != Frozen {
		t.Errorf("with batchnorm frozen the statistics are %s", got)
	}
	if frozen.Digest() == p.Digest() {
		t.Error("two plans share a digest")
	}
	same, _ := New(describe(), Options{Thaw: []string{"head", "re:^layer1.0.bn1.weight$"}})
	if same.Digest() != p.Digest() {
		t.Error("the same states written differently have another digest")
	}
	if _, err := New(s, Options{Thaw: []string{"all"}, Freeze: []string{"all"}}); err == nil || !strings.Contains(err.Error(), "trains nothing") {
		t.Errorf("an empty plan: %v", err)
	}
	if _, err := New(s, Options{BatchNorm: "maybe"}); err == nil {
		t.Error("batchnorm maybe was taken")
	}
}

func TestThawedHoldsOnlyWhatTrains(t *testing.T) {
	s := describe()
	p, _ := New(s, Options{Thaw: []string{"last:1"}, NewHead: []string{"fc.weight", "fc.bias"}})
	var got []string
	th := p.Thawed(s)
	th.Each(func(w *Weight, e Entry) { got = append(got, w.Name) })
	want := "layer2.0.conv1.weight layer2.0.conv1.bias layer2.0.conv2.weight layer2.0.conv2.bias fc.weight fc.bias"
	if strings.Join(got, " ") != want {
		t.Errorf("thawed %v", got)
	}
	if th.Elements() != 2*(4*4*9+4)+50 {
		t.Errorf("%d elements train", th.Elements())
	}
}

func TestPartly(t *testing.T) {
	e := Entry{State: Partly, Rows: [][2]int{{1, 2}}, Mask: []byte{0b1}}
	if got := e.ElementMask([]int{3, 2}); !slices.Equal(got, []uint8{1, 0, 1, 1, 0, 0}) {
		t.Errorf("mask %v", got)
	}
	s := describe()
	p, _ := New(s, Options{})
	for i := range p.Params {
		if p.Params[i].Name == "fc.weight" {
			p.Params[i].State, p.Params[i].Rows = Partly, [][2]int{{0, 3}}
		}
	}
	before := Digests(s, p)["fc.weight"]
	data := s.ByName("fc.weight").Value.Data.F32()
	data[2] = 7 // trains
	if Digests(s, p)["fc.weight"] != before {
		t.Error("a thawed row changed the seal")
	}
	data[3*4] = 7 // frozen
	if Digests(s, p)["fc.weight"] == before {
		t.Error("a frozen element changed and the seal did not")
	}
}

func TestTiedWeightIsOne(t *testing.T) {
	g := ir.New("tied")
	x := g.AddInput("x", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}})
	w := g.NewParam("shared.weight", tensor.New(tensor.Float32, 4, 4))
	h := g.AddNode(&ir.Node{Name: "/a/MatMul", Op: "MatMul", Inputs: []*ir.Value{x, w}}, []ir.Type{{}}).Outputs[0]
	tr := g.AddNode(&ir.Node{Name: "/b/Transpose", Op: "Transpose", Inputs: []*ir.Value{w}}, []ir.Type{{}}).Outputs[0]
	g.Outputs = []*ir.Value{g.AddNode(&ir.Node{Name: "/b/MatMul", Op: "MatMul", Inputs: []*ir.Value{h, tr}}, []ir.Type{{}}).Outputs[0]}
	s := Describe(g, nil)
	ws, err := s.Select([]string{"/b/*"})
	if err != nil || names(ws) != "shared.weight" {
		t.Fatalf("thawing one reader gives %s (%v)", names(ws), err)
	}
	p, _ := New(s, Options{Thaw: []string{"/b/MatMul"}})
	if e := p.Of("shared.weight"); !slices.Equal(e.Tied, []string{"/a/MatMul", "/b/MatMul"}) {
		t.Errorf("tied: %v", e.Tied)
	}
}

// Names say nothing here: blocks come from the points through which all data flows.
func TestBlocksWithoutNames(t *testing.T) {
	g := ir.New("anonymous")
	x := g.AddInput("0", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4, 8, 8}})
	id := 10
	node := func(op string, in ...*ir.Value) *ir.Value {
		id++
		return g.AddNode(&ir.Node{Name: op + "_" + string(rune('A'+id-11)), Op: op, Inputs: in}, []ir.Type{{}}).Outputs[0]
	}
	conv := func(in *ir.Value) *ir.Value {
		id++
		return node("Conv", in, g.NewParam(string(rune('0'+id-11)), tensor.New(tensor.Float32, 4, 4, 3, 3)))
	}
	h := node("Relu", conv(x))
	for range 2 {
		h = node("Relu", node("Add", conv(node("Relu", conv(h))), h))
	}
	g.Outputs = []*ir.Value{h}
	s := Describe(g, nil)
	if len(s.Blocks) != 3 {
		t.Fatalf("blocks %v, want the stem and two residual blocks", s.Blocks)
	}
	if s.Weights[1].Block != s.Weights[2].Block || s.Weights[2].Block == s.Weights[3].Block {
		t.Errorf("blocks of the weights: %d %d %d %d %d", s.Weights[0].Block, s.Weights[1].Block, s.Weights[2].Block, s.Weights[3].Block, s.Weights[4].Block)
	}
}

func FuzzSelect(f *testing.F) {
	for _, s := range []string{"all", "last:1,!head", "re:^a", "depth:1%-2%", "a[b", "layer*.{x}", "!", ",", "kind:", "first:99999999999999999999"} {
		f.Add(s)
	}
	s := describe()
	f.Fuzz(func(t *testing.T, sel string) {
		if len(sel) > 200 {
			return
		}
		s.Select([]string{sel})
	})
}
