package dynamicbatch

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// sketch builds a graph from lines such as "y = Relu(x)"; names that no line defines are tensors.
func sketch(t testing.TB, in ir.Type, out ir.Type, tensors map[string]*tensor.Tensor, lines ...string) []byte {
	t.Helper()
	g := ir.New("sketch")
	vals := map[string]*ir.Value{"x": g.AddInput("x", in)}
	for k, v := range tensors {
		vals[k] = g.NewConst(k, v)
	}
	var last *ir.Value
	for _, l := range lines {
		name, call, _ := strings.Cut(l, " = ")
		op, args, _ := strings.Cut(strings.TrimSuffix(call, ")"), "(")
		n := &ir.Node{Name: "node_" + name, Op: op, Attrs: ir.Attrs{}}
		for _, a := range strings.Split(args, ", ") {
			if k, v, ok := strings.Cut(a, "="); ok {
				n.Attrs[k] = map[string]any{"0": 0, "1": 1, "2": 2, "-1": -1, "102": []int{1, 0, 2}, "021": []int{0, 2, 1}}[v]
				continue
			}
			n.Inputs = append(n.Inputs, vals[a])
		}
		last = g.AddNode(n, []ir.Type{{}}, name).Outputs[0]
		vals[name] = last
	}
	last.Type = out
	g.Outputs = []*ir.Value{last}
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, data []byte) *onnx.Model {
	t.Helper()
	m, err := onnx.Parse(data, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func f32(shape ...int) ir.Type { return ir.Type{DType: tensor.Float32, Shape: shape} }

func zeros(shape ...int) *tensor.Tensor { return tensor.New(tensor.Float32, shape...) }

func i64(v ...int64) *tensor.Tensor { return tensor.Of(v, len(v)) }

func TestFree(t *testing.T) {
	type tensors = map[string]*tensor.Tensor
	for _, c := range []struct {
		name    string
		in, out ir.Type
		tensors tensors
		lines   []string
		want    string // of the graph text
		note    string
	}{
		{
			name: "copied", in: f32(1, 3, 4, 4), out: f32(1, 8),
			tensors: tensors{"w": zeros(2, 3, 3, 3), "k": i64(1, 8)},
			lines:   []string{"a = Conv(x, w)", "y = Reshape(a, k)"},
			want:    "Reshape(%0, [0 8])", note: "1 Reshape target infers it",
		},
		{
			name: "copied beside an inferred axis", in: f32(1, 3, 4, 4), out: f32(1, 8),
			tensors: tensors{"w": zeros(2, 3, 3, 3), "k": i64(1, -1)},
			lines:   []string{"a = Conv(x, w)", "y = Reshape(a, k)"},
			want:    "Reshape(%0, [0 -1])",
		},
		{
			name: "free already", in: f32(1, 3, 4, 4), out: f32(1, 48),
			tensors: tensors{"k": i64(-1, 48)},
			lines:   []string{"y = Reshape(x, k)"},
			want:    "Reshape(x, [-1 48])", note: "is free now",
		},
		{
			name: "merged into rows and back", in: f32(1, 5, 6), out: f32(1, 5, 4),
			tensors: tensors{"rows": i64(5, 6), "w": zeros(6, 4), "back": i64(1, 5, 4)},
			lines:   []string{"a = Reshape(x, rows)", "b = MatMul(a, w)", "y = Reshape(b, back)"},
			want:    "Reshape(%1, [-1 5 4])", note: "2 Reshape targets infer it",
		},
		{
			name: "heads of a sequence-first attention", in: f32(1, 5, 6), out: f32(1, 5, 6),
			tensors: tensors{"split": i64(5, 2, 3), "join": i64(5, 6), "back": i64(5, 1, 6)},
			lines: []string{"a = Transpose(x, perm=102)", "b = Reshape(a, split)", "c = Transpose(b, perm=102)", "d = Softmax(c, axis=-1)",
				"e = Transpose(d, perm=102)", "f = Reshape(e, join)", "g = Reshape(f, back)", "y = Transpose(g, perm=102)"},
			want: `graph sketch(x float32[?,5,6])
  %0 = Transpose(x) {perm=[1 0 2]}  # node_a
  %1 = Reshape(%0, [5 -1 3])  # node_b
  %2 = Transpose(%1) {perm=[1 0 2]}  # node_c
  %3 = Softmax(%2) {axis=-1}  # node_d
  %4 = Transpose(%3) {perm=[1 0 2]}  # node_e
  %5 = Reshape(%4, [-1 6])  # node_f
  %6 = Reshape(%5, [5 -1 6])  # node_g
  %7 = Transpose(%6) {perm=[1 0 2]}  # node_y
  return %7
`, note: "3 Reshape targets infer it",
		},
		{
			name: "class token", in: f32(1, 4, 6), out: f32(1, 5, 6),
			tensors: tensors{"cls": zeros(1, 1, 6)},
			lines:   []string{"y = Concat(cls, x, axis=1)"},
			want: `graph sketch(x float32[?,4,6])
  %0 = Shape(x)  # y_batch0_shape
  %1 = Gather(%0, [0])  # y_batch0_size
  %2 = Concat(%1, [1 1]) {axis=0}  # y_batch0_target
  %3 = Expand(cls, %2)  # y_batch0_expand
  %4 = Concat(%3, x) {axis=1}  # node_y
  return %4
`, note: "1 constant is repeated for each example",
		},
		{
			name: "a target shared by nodes that want the same", in: f32(1, 2, 3), out: f32(1, 6),
			tensors: tensors{"k": i64(1, 6)},
			lines:   []string{"a = Reshape(x, k)", "b = Relu(x)", "c = Reshape(b, k)", "y = Add(a, c)"},
			want:    "Reshape(%1, [0 6])",
		},
		{
			name: "a target that another node reads as it is", in: f32(1, 1, 6), out: f32(1, 6),
			tensors: tensors{"k": i64(1, 6), "v": zeros(6)},
			lines:   []string{"b = Expand(v, k)", "a = Reshape(x, k)", "y = Add(a, b)"},
			want: `graph sketch(x float32[?,1,6])
  %0 = Expand(v, [1 6])  # node_b
  %1 = Reshape(x, [0 6])  # node_a
  %2 = Add(%1, %0)  # node_y
  return %2
`,
		},
		{
			name: "a target that sizes are computed for", in: f32(1, 4, 6), out: f32(1, 24),
			tensors: tensors{"one": i64(1), "k": i64(1), "m": i64(2)},
			lines:   []string{"s = Shape(x)", "h = Gather(s, k)", "w = Gather(s, m)", "n = Mul(h, w)", "t = Concat(one, n, axis=0)", "y = Reshape(x, t)"},
			want:    "Reshape(x, [0 24])", note: "1 Reshape target infers it",
		},
		{
			name: "an operator not known", in: f32(1, 6), out: f32(1, 6),
			lines: []string{"y = Mystery(x)"}, want: "Mystery(x)", note: "taken to keep examples apart: Mystery",
		},
	} {
		m := open(t, sketch(t, c.in, c.out, c.tensors, c.lines...))
		p, note, err := Free(m, compile.Trace)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := m.Graph.String(); !strings.Contains(got, c.want) {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
		if !strings.Contains(note, c.note) {
			t.Errorf("%s: note %q, want %q", c.name, note, c.note)
		}
		b, err := m.Bytes(p)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		w := open(t, b) // the written file says the same as the changed graph
		if got, want := w.Graph.String(), m.Graph.String(); got != want {
			t.Errorf("%s: the file says\n%sthe model\n%s", c.name, got, want)
		}
		if o := w.Outputs[0]; w.Inputs[0].Dims[0] != "batch" || o.Dims[0] != "batch" || o.Shape[0] != -1 {
			t.Errorf("%s: declared %+v -> %+v", c.name, w.Inputs, w.Outputs)
		}
		if p, note, err := Free(w, compile.Trace); err != nil || note != "" || !p.Empty() {
			t.Errorf("%s: a second time: %v %q %+v", c.name, err, note, p)
		}
	}
}

func TestFreeErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		in, out ir.Type
		tensors map[string]*tensor.Tensor
		lines   []string
		want    string
	}{
		{"another batch", f32(4, 3), f32(4, 3), nil, []string{"y = Relu(x)"}, "the model's batch is fixed at 4"},
		{"reduced", f32(1, 3), f32(3), nil, []string{"y = ReduceSum(x)"}, `node "node_y" (ReduceSum): reduces the batch`},
		{"squeezed", f32(1, 3), f32(3), map[string]*tensor.Tensor{"k": i64(0)}, []string{"y = Squeeze(x, k)"}, "removes or reduces the batch"},
		{"picked", f32(1, 3), f32(3), map[string]*tensor.Tensor{"k": i64(0)}, []string{"y = Gather(x, k, axis=0)"}, "takes a part of the batch"},
		{"compared", f32(1, 3), f32(1, 3), nil, []string{"y = Softmax(x, axis=0)"}, "works across the examples"},
		{"no axis to infer", f32(1, 3, 4, 4), f32(2, 24), map[string]*tensor.Tensor{"k": i64(2, -1)},
			[]string{"a = Mystery(x)", "y = Reshape(a, k)"}, "leaves no axis to infer"},
	} {
		m := open(t, sketch(t, c.in, c.out, c.tensors, c.lines...))
		before := m.Graph.String()
		if _, _, err := Free(m, compile.Trace); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if got := m.Graph.String(); got != before {
			t.Errorf("%s: the graph changed:\n%s", c.name, got)
		}
	}
}

// FuzzFree frees the batch of whatever models. What it changes must be written and read again.
func FuzzFree(f *testing.F) {
	f.Add(sketch(f, f32(1, 3, 4, 4), f32(1, 8), map[string]*tensor.Tensor{"w": zeros(2, 3, 3, 3), "k": i64(1, 8)}, "a = Conv(x, w)", "y = Reshape(a, k)"))
	f.Add(sketch(f, f32(1, 4, 6), f32(1, 5, 6), map[string]*tensor.Tensor{"cls": zeros(1, 1, 6)}, "y = Concat(cls, x, axis=1)"))
	f.Add(sketch(f, f32(1, 5, 6), f32(1, 6, 5), nil, "y = Transpose(x, perm=021)"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Parse(data, "")
		if err != nil {
			return
		}
		p, _, err := Free(m, nil)
		if err != nil {
			return
		}
		b, err := m.Bytes(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := onnx.Parse(b, ""); err != nil {
			t.Fatalf("a model with a dynamic batch does not read: %v", err)
		}
	})
}
