package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// w is an initializer of two floats.
func winit(name string) []byte {
	return fmsg(5, fstr(8, name), dims(2), fint(2, 1), fmsg(9, fixed32(1), fixed32(2)))
}

func TestReadForms(t *testing.T) {
	constant := func(out string, attr ...[]byte) []byte { return fnode("Constant", nil, list(out), fmsg(5, attr...)) }
	body := func(fields ...[]byte) []byte { return fmsg(6, fields...) }
	for _, c := range []struct {
		name   string
		data   []byte
		want   string // graph text
		params string
	}{
		{
			name: "a weight listed as an input",
			data: model(value(11, "x"), value(11, "w"), winit("w"), fnode("Add", list("x", "w"), list("y")), value(12, "y")),
			want: "graph (x float32[])\n  %0 = Add(x, w)  # y\n  return %0\n", params: "w",
		},
		{
			name: "constants in every form",
			data: model(value(11, "x"),
				constant("a", fstr(1, "value_float"), unpacked32(2, 2), fint(20, 1)),
				constant("b", fstr(1, "value_int"), fint(3, 3), fint(20, 2)),
				constant("c", fstr(1, "value_ints"), fint(8, 3), fint(8, -1), fint(20, 7)),
				constant("d", fstr(1, "value_floats"), unpacked32(7, 3), unpacked32(7, 4), fint(20, 6)),
				fnode("Pow", list("x", "a"), list("p")), fnode("Foo", list("p", "b", "c"), list("q")), fnode("Add", list("q", "d"), list("y")), value(12, "y")),
			want:   "graph (x float32[])\n  %0 = Pow(x, 2)  # p\n  %1 = Foo(%0, 3, [3 -1])  # q\n  %2 = Add(%1, d)  # y\n  return %2\n",
			params: "d",
		},
		{
			name: "a constant that reaches its layer through other operators",
			data: model(value(11, "x"),
				constant("w", fstr(1, "value"), fmsg(5, dims(2, 1), fint(2, 1), fmsg(9, fixed32(1), fixed32(2)))),
				fnode("Transpose", list("w"), list("t")), fnode("Identity", list("t"), list("i")),
				fnode("MatMul", list("x", "i"), list("y")), value(12, "y")),
			want:   "graph (x float32[])\n  %0 = Transpose(w)  # t\n  %1 = Identity(%0)  # i\n  %2 = MatMul(x, %1)  # y\n  return %2\n",
			params: "w",
		},
		{
			name: "scales set a shape and are no weights",
			data: model(value(11, "x"), winit("s"), winit("z"), fnode("Concat", list("s", "s"), list("t")),
				fnode("Resize", list("x", "", "t"), list("r")), fnode("DequantizeLinear", list("r", "z"), list("y")), value(12, "y")),
			want:   "graph (x float32[])\n  %0 = Concat([1 2], [1 2])  # t\n  %1 = Resize(x, -, %0)  # r\n  %2 = DequantizeLinear(%1, [1 2])  # y\n  return %2\n",
			params: "",
		},
		{
			name: "absent inputs and outputs, and nodes out of order",
			data: model(value(11, "x"), fnode("Clip", list("a", "", "a"), list("y")), fnode("Split", list("x"), list("", "a", "")), value(12, "y")),
			want: "graph (x float32[])\n  -, %0, - = Split(x)  # a\n  %1 = Clip(%0, -, %0)  # y\n  return %1\n",
		},
		{
			name: "a subgraph reads what is around it",
			data: model(value(11, "x"), winit("w"), fnode("Relu", list("x"), list("r")),
				fnode("If", list("x"), list("y"), fmsg(5, fstr(1, "then_branch"), fint(20, 5),
					body(fnode("Add", list("r", "w"), list("s")), fmsg(12, fstr(1, "s"))))), value(12, "y")),
			want: "graph (x float32[])\n  %0 = Relu(x)  # r\n  %1 = If(x) {then_branch=graph(1 nodes)}  # y\n  return %1\n", params: "w",
		},
		{
			name: "a local function with an attribute, called twice, one inside another",
			data: cat(fint(1, 8),
				fmsg(7, value(11, "x"), fnode("F", list("x"), list("a"), fstr(7, "my"), fstr(3, "f1"), fmsg(5, fstr(1, "k"), fint(3, 5), fint(20, 2))),
					fnode("G", list("a"), list("y"), fstr(7, "my"), fstr(3, "g")), value(12, "y")),
				fmsg(8, fint(2, 17)), fmsg(8, fstr(1, "my"), fint(2, 1)),
				fmsg(25, fstr(1, "F"), fstr(10, "my"), fstr(4, "in"), fstr(5, "out"), fstr(6, "k"), fmsg(9, fint(2, 15)),
					fmsg(7, fstr(1, "in"), fstr(2, "h"), fstr(4, "Foo"), fmsg(5, fstr(1, "axis"), fstr(21, "k"), fint(20, 2)), fmsg(5, fstr(1, "gone"), fstr(21, "none"), fint(20, 2))),
					fmsg(7, fstr(1, "h"), fstr(2, "out"), fstr(4, "Relu"))),
				fmsg(25, fstr(1, "G"), fstr(10, "my"), fstr(4, "in"), fstr(5, "out"), fmsg(9, fint(2, 16)),
					fmsg(7, fstr(1, "in"), fstr(2, "out"), fstr(4, "F"), fstr(7, "my"), fmsg(5, fstr(1, "k"), fint(3, 6), fint(20, 2))))),
			want: "graph (x float32[])\n  %0 = Foo(x) {axis=5}  # f1/h\n  %1 = Relu(%0)  # f1/out\n" +
				"  %2 = Foo(%1) {axis=6}  # g/out/h\n  %3 = Relu(%2)  # g/out/out\n  return %3\n",
		},
	} {
		m, err := Parse(c.data, "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := m.Graph.String(); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
		var names []string
		for _, p := range m.Params {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != c.params {
			t.Errorf("%s: params %q, want %q", c.name, got, c.params)
		}
	}
}

func TestTiedAndEqualWeights(t *testing.T) {
	m := open(t, model(value(11, "x"), winit("w"), winit("v"),
		fnode("Add", list("x", "w"), list("a")), fnode("Mul", list("a", "w"), list("b")), fnode("Mul", list("b", "v"), list("y")), value(12, "y")))
	if len(m.Params) != 2 || m.Params[0].Uses != 2 || m.Params[1].Uses != 1 {
		t.Errorf("params %+v", m.Params)
	}
	if a, b := m.Params[0].Digest(), m.Params[1].Digest(); a != b || len(a) != 64 {
		t.Errorf("equal contents have digests %s and %s", a, b)
	}
	if d := m.Digest(); d != open(t, m.data).Digest() || d == open(t, net(t)).Digest() {
		t.Errorf("model digest %s", d)
	}
	sub := m.Graph.Nodes[0].Inputs[1]
	if sub != m.Graph.Nodes[1].Inputs[1] || sub.Kind != ir.Param {
		t.Error("the tied weight is not one value")
	}
}

func TestFunctionVersion(t *testing.T) {
	m := open(t, cat(fint(1, 8), fmsg(7, value(11, "x"), fnode("F", list("x"), list("y"), fstr(7, "my")), value(12, "y")), fmsg(8, fint(2, 17)),
		fmsg(25, fstr(1, "F"), fstr(10, "my"), fstr(4, "in"), fstr(5, "out"), fmsg(9, fint(2, 15)), fmsg(7, fstr(1, "in"), fstr(2, "out"), fstr(4, "Relu")))))
	if n := m.Graph.Nodes[0]; n.Version != 15 || n.Outputs[0].Name != "y" {
		t.Errorf("node %+v", n)
	}
}

// nest wraps a graph in depth Ifs.
func nest(depth int) []byte {
	g := cat(fnode("Relu", list("x"), list("s")), fmsg(12, fstr(1, "s")))
	for range depth {
		g = cat(fnode("If", list("x"), list("s"), fmsg(5, fstr(1, "then_branch"), fint(20, 5), fmsg(6, g))), fmsg(12, fstr(1, "s")))
	}
	return g
}

// bomb is a file in which each function calls the one before it ten times.
func bomb(levels int) []byte {
	b := cat(fint(1, 8), fmsg(7, value(11, "x"), fnode(string(rune('a'+levels)), list("x"), list("y"), fstr(7, "my")), value(12, "y")), fmsg(8, fint(2, 17)))
	for l := range levels + 1 {
		f := cat(fstr(1, string(rune('a'+l))), fstr(10, "my"), fstr(4, "v0"), fstr(5, "v10"), fmsg(9, fint(2, 15)))
		for i := range 10 {
			op, dom := "Relu", ""
			if l > 0 {
				op, dom = string(rune('a'+l-1)), "my"
			}
			f = append(f, fmsg(7, fstr(1, "v"+string(rune('0'+i))), fstr(2, "v"+[]string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}[i]), fstr(4, op), fstr(7, dom))...)
		}
		b = append(b, fmsg(25, f)...)
	}
	return b
}

func hostile(t testing.TB) map[string]struct {
	data []byte
	want string
} {
	y := value(12, "y")
	x := value(11, "x")
	relu := fnode("Relu", list("x"), list("y"))
	good := net(t)
	return map[string]struct {
		data []byte
		want string
	}{
		"empty":               {nil, "the file is empty"},
		"text":                {[]byte("<html>not found</html>"), "not an ONNX model"},
		"png":                 {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "not an ONNX model"},
		"zeros":               {make([]byte, 100), "not an ONNX model"},
		"truncated":           {good[:len(good)/2], "truncated"},
		"cut to its head":     {good[:2], "holds no graph"},
		"old IR":              {cat(fint(1, 2), fmsg(7, x, relu, y), fmsg(8, fint(2, 7))), "IR version 2"},
		"new opset":           {cat(fint(1, 8), fmsg(7, x, relu, y), fmsg(8, fint(2, 99))), "opset 99 is newer"},
		"no opset":            {cat(fint(1, 8), fmsg(7, x, relu, y)), "imports no operator set"},
		"no outputs":          {model(x, relu), "no outputs"},
		"two graphs":          {cat(model(x, relu, y), fmsg(7, x)), "two graphs"},
		"no operator":         {model(x, fmsg(1, fstr(1, "x"), fstr(2, "y")), y), `node "y" has no operator`},
		"dangling input":      {model(x, fnode("Add", list("x", "q"), list("y")), y), `node "y" (Add): reads "q", which nothing defines`},
		"dangling output":     {model(x, relu, value(12, "z")), `"z", which nothing defines`},
		"cycle":               {model(x, fnode("Add", list("x", "b"), list("a")), fnode("Relu", list("a"), list("b")), fnode("Relu", list("b"), list("y")), y), "cycle"},
		"a node of itself":    {model(x, fnode("Add", list("x", "y"), list("y")), y), "cycle"},
		"cycle by a subgraph": {model(x, fnode("If", list("x"), list("y"), fmsg(5, fstr(1, "then_branch"), fint(20, 5), fmsg(6, fnode("Relu", list("y"), list("s")), fmsg(12, fstr(1, "s"))))), y), "cycle"},
		"node twice":          {model(x, relu, relu, y), `"y" is defined twice`},
		"input twice":         {model(x, x, relu, y), `input "x" is listed twice`},
		"initializer twice":   {model(x, winit("w"), winit("w"), relu, y), `"w" is defined twice`},
		"initializer by node": {model(x, winit("y"), relu, y), `"y" is defined twice`},
		"huge weight":         {model(x, fmsg(5, fstr(8, "w"), dims(1<<31, 1<<31), fint(2, 1)), fnode("Add", list("x", "w"), list("y")), y), `value "w": shape [2147483648,2147483648] has more elements`},
		"huge input":          {model(fmsg(11, fstr(1, "x"), fmsg(2, fmsg(1, fint(1, 1), fmsg(2, fmsg(1, fint(1, 1<<62)))))), relu, y), "axis 0 has size"},
		"huge input product":  {model(fmsg(11, fstr(1, "x"), fmsg(2, fmsg(1, fint(1, 1), fmsg(2, fmsg(1, fint(1, 1<<30)), fmsg(1, fint(1, 1<<30)))))), relu, y), "more than can be computed"},
		"string input":        {model(fmsg(11, fstr(1, "x"), fmsg(2, fmsg(1, fint(1, 8)))), relu, y), `value "x": type string is not supported`},
		"sequence input":      {model(fmsg(11, fstr(1, "x"), fmsg(2, fmsg(4))), relu, y), `value "x": type sequence is not supported`},
		"sparse weight":       {model(x, fmsg(15, fmsg(1, fstr(8, "w"))), fnode("Add", list("x", "w"), list("y")), y), `value "w": sparse tensors are not supported`},
		"external weight":     {model(x, fmsg(5, fstr(8, "w"), dims(2), fint(2, 1), props(13, "location", "w"), fint(14, 1)), fnode("Add", list("x", "w"), list("y")), y), "not read from a folder"},
		"deep nesting":        {model(x, nest(1000), y), "nest deeper than"},
		"wrong wire type":     {model(x, fint(1, 3), y), "wrong wire type"},
		"recursive function":  {cat(model(x, fnode("F", list("x"), list("y"), fstr(7, "my")), y), fmsg(25, fstr(1, "F"), fstr(10, "my"), fstr(4, "i"), fstr(5, "o"), fmsg(7, fstr(1, "i"), fstr(2, "o"), fstr(4, "F"), fstr(7, "my")))), "calls itself"},
		"function bomb":       {bomb(9), "too large to build"},
		"attribute of types":  {model(x, fnode("Foo", list("x"), list("y"), fmsg(5, fstr(1, "t"), fint(20, 13))), y), `node "y" (Foo): attribute "t": a value of type type`},
	}
}

func TestHostileFiles(t *testing.T) {
	for name, c := range hostile(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(c.data, "")
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has more than one line: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			t.Errorf("%s: reading %d bytes allocated %d", name, len(c.data), used)
		}
	}
	for _, c := range []struct{ path, want string }{{"none.onnx", "no model file"}, {".", "is a folder"}} {
		if _, err := Open(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.path, err)
		}
	}
}

// extModel reads two floats from the file at location.
func extModel(location string, more ...[]byte) []byte {
	return model(value(11, "x"), fmsg(5, fstr(8, "w"), dims(2), fint(2, 1), props(13, "location", location), cat(more...), fint(14, 1)),
		fnode("Add", list("x", "w"), list("y")), value(12, "y"))
}

func TestExternalData(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "model")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := cat(fixed32(1), fixed32(2))
	for path, b := range map[string][]byte{filepath.Join(root, "secret"): w, filepath.Join(dir, "w"): cat(make([]byte, 8), w), filepath.Join(dir, "sub", "v"): w} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join("..", "secret"), filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("w", filepath.Join(dir, "inside")); err != nil {
		t.Skip(err)
	}
	offset := props(13, "offset", "8")
	for _, c := range []struct {
		name string
		data []byte
		want string // of the error, "" for none
	}{
		{"plain", extModel("w", offset), ""},
		{"with length", extModel("w", offset, props(13, "length", "8")), ""},
		{"folder", extModel("sub/v"), ""},
		{"link inside", extModel("inside", offset), ""},
		{"above", extModel("../secret"), "outside of the model's folder"},
		{"above by a detour", extModel("sub/../../secret"), "outside of the model's folder"},
		{"absolute", extModel(filepath.Join(root, "secret")), "outside of the model's folder"},
		{"link outside", extModel("link"), "in " + dir + ": path escapes"},
		{"backslashes", extModel(`..\secret`), "outside of the model's folder"},
		{"no location", extModel(""), "outside of the model's folder"},
		{"missing", extModel("none"), `external data in "none": there is no such file in ` + dir + ": put it beside the model"},
		{"missing below", extModel("sub/none"), `external data in "sub/none": there is no such file in ` + dir + ": put it"},
		{"a folder", extModel("sub"), "is no regular file"},
		{"past the end", extModel("w", props(13, "offset", "12")), "bytes 12 to 20 of 16: the file is cut off"},
		{"far past the end", extModel("w", props(13, "offset", "9223372036854775807")), "of 16"},
		{"negative", extModel("w", props(13, "offset", "-8")), "no count of bytes"},
		{"other length", extModel("w", props(13, "length", "16")), "its length is 16, the tensor needs 8"},
		{"overlap", model(value(11, "x"),
			fmsg(5, fstr(8, "w"), dims(3), fint(2, 1), props(13, "location", "w"), fint(14, 1)),
			fmsg(5, fstr(8, "v"), dims(3), fint(2, 1), props(13, "location", "./w"), props(13, "offset", "4"), fint(14, 1)),
			fnode("Add", list("w", "v"), list("y")), value(12, "y")), "overlap"},
	} {
		path := filepath.Join(dir, "m.onnx")
		if err := os.WriteFile(path, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %s", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !m.Params[0].External || !bytes.Equal(m.Params[0].Tensor.Bytes, w) {
			t.Errorf("%s: %+v", c.name, m.Params[0])
		}
		// Written elsewhere the model holds its tensors itself, with and without a change.
		out := filepath.Join(t.TempDir(), "out.onnx")
		if err := m.WriteFile(out, &Patch{Metadata: map[string]string{"k": "v"}}); err != nil {
			t.Fatal(err)
		}
		n, err := Open(out)
		if err != nil || n.Params[0].External || !bytes.Equal(n.Params[0].Tensor.Bytes, w) {
			t.Errorf("%s: written: %v %+v", c.name, err, n)
		}
	}
}

func TestSideFile(t *testing.T) {
	big := tensor.New(tensor.Float32, 300)
	for i := range big.F32() {
		big.F32()[i] = float32(i)
	}
	g := ir.New("sum")
	row := ir.Type{DType: tensor.Float32, Shape: tensor.Shape{1, 300}}
	x := g.AddInput("x", row)
	g.Outputs = g.AddNode(&ir.Node{Name: "add", Op: "Add", Inputs: []*ir.Value{x, g.NewConst("w", big)}}, []ir.Type{row}, "y").Outputs
	b, err := Build(g, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, b)
	dir := t.TempDir()
	path := filepath.Join(dir, "out.onnx")
	head := Initializer{"head", big}
	p := &Patch{AddInitializers: []Initializer{head}, AddNodes: []*Node{{Name: "h", Op: "Mul", Inputs: []string{"y", "head"}, Outputs: []string{"z"}}},
		Outputs: []ValueInfo{{Name: "z", DType: 1, Shape: []int{1, 300}}}}
	if err := m.writeFile(path, p, 1000); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Size() > 1500 {
		t.Fatalf("the model file is %v, %v", st, err)
	}
	n, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"w", "head"} {
		if p := n.Param(name); !p.External || !bytes.Equal(p.Tensor.Bytes, big.Bytes) {
			t.Errorf("%s differs", name)
		}
	}
	checkFile(t, path)
	if b, err := n.Bytes(&Patch{Metadata: map[string]string{"k": "v"}}); err != nil || open(t, b).Param("w").External {
		t.Errorf("taken in again: %v", err)
	}
}
