package checkpoint

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func exportAs(t *testing.T, m *onnx.Model, c *Checkpoint) *StateDict {
	t.Helper()
	d, err := ExportAs(m, c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *StateDict) get(name string) *Exported {
	i := slices.IndexFunc(d.Tensors, func(e *Exported) bool { return e.Name == name })
	if i < 0 {
		return &Exported{tensor: tensor.New(tensor.Invalid)}
	}
	return d.Tensors[i]
}

// What training left as it was comes back to the bit, folded or not.
func TestExportUntouched(t *testing.T) {
	c := weights()
	m := network(t)
	d := exportAs(t, apply(t, m, find(t, m, c, Options{})), c)
	for i, x := range c.Tensors {
		if e := d.Tensors[i]; e.Name != x.Name || e.Exact != Exact || !same(e.tensor, x.Tensor) {
			t.Errorf("%s came back as %s, %s", x.Name, e.Name, e.Exact)
		}
	}
	if len(d.Tensors) != len(c.Tensors) {
		t.Errorf("%d tensors, want %d", len(d.Tensors), len(c.Tensors))
	}
	f, err := d.file()
	if err != nil || !strings.Contains(f.Metadata[keyTensors], `"conv1.weight":"exact"`) || f.Metadata[keyFormat] != "pt" {
		t.Errorf("metadata %v, %v", f.Metadata, err)
	}
}

// What training changed is taken apart so that it makes the same model again, to rounding.
func TestExportTuned(t *testing.T) {
	c := weights()
	// channels that say nothing of their weights
	c.get("bn1.weight").F32()[1], c.get("bn1.weight").F32()[3] = 0, 0
	m := network(t)
	imported := apply(t, m, find(t, m, c, Options{}))
	patch := &onnx.Patch{Tensors: map[string]*tensor.Tensor{}}
	for _, name := range []string{"onnx::Conv_10", "onnx::Conv_11", "onnx::MatMul_20", "fc.bias"} {
		v := imported.Param(name).Tensor.Clone()
		n := v.Len() * 3 / 4 // the last channel stays
		for i := range v.F32()[:n] {
			v.F32()[i] = v.F32()[i]*1.25 + 0.125
		}
		patch.Tensors[name] = v
	}
	b, err := imported.Bytes(patch)
	if err != nil {
		t.Fatal(err)
	}
	tuned := parse(t, b)
	d := exportAs(t, tuned, c)
	for name, want := range map[string]string{"conv1.weight": Rounded, "bn1.bias": Rounded, "bn1.weight": Rounded, "bn1.running_mean": Exact,
		"body.0.weight": Exact, "proj.weight": Exact, "fc.bias": Exact} {
		if got := d.get(name).Exact; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	w, old := d.get("conv1.weight").tensor.F32(), c.get("conv1.weight").F32()
	if !slices.Equal(w[3*36:], old[3*36:]) {
		t.Error("an untouched channel has other weights")
	}
	again := &Checkpoint{}
	for _, e := range d.Tensors {
		again.Tensors = append(again.Tensors, Named{e.Name, e.tensor})
	}
	back := apply(t, m, find(t, m, again, Options{}))
	for _, p := range tuned.Params {
		got := back.Param(p.Name).Tensor.F32()
		for i, want := range p.Tensor.F32() {
			if math.Abs(float64(got[i]-want)) > 1e-6*(1+math.Abs(float64(want))) {
				t.Fatalf("%s[%d] is %g in the model made again, want %g", p.Name, i, got[i], want)
			}
		}
	}
}

// A new head takes the place of the layer that it replaced.
func TestExportHead(t *testing.T) {
	tuned := func() *onnx.Model {
		return model(t,
			layer{"/pool/GlobalAveragePool", nil, nil}, layer{"/Flatten", nil, nil},
			layer{"/proj/MatMul", nil, []*ir.Value{param("onnx::MatMul_20", 4, 4)}},
			layer{"/head/linear/Gemm", ir.Attrs{"transB": 1}, []*ir.Value{param("head.linear.weight", 3, 4), param("head.linear.bias", 3)}})
	}
	names := func(d *StateDict) string {
		var out []string
		for _, e := range d.Tensors {
			out = append(out, e.Name+e.tensor.Shape.String())
		}
		return strings.Join(out, " ")
	}
	d := exportAs(t, tuned(), ckpt("proj.weight 4,4", "fc.weight 1000,4", "fc.bias 1000"))
	if got, want := names(d), "proj.weight[4,4] fc.weight[3,4] fc.bias[3]"; got != want {
		t.Errorf("exported %s, want %s", got, want)
	}
	d = exportAs(t, tuned(), ckpt("proj.weight 4,4", "cut.weight 8,9", "cut.bias 8"))
	if got, want := names(d), "proj.weight[4,4] head.linear.weight[3,4] head.linear.bias[3]"; got != want || len(d.Notes) != 2 {
		t.Errorf("exported %s with notes %q, want %s", got, d.Notes, want)
	}
	alone, err := Export(tuned(), "fc")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(alone), "proj.weight[4,4] fc.weight[3,4] fc.bias[3]"; got != want {
		t.Errorf("exported %s, want %s", got, want)
	}
	if _, err := ExportAs(tuned(), ckpt("x 3"), Options{}); err == nil {
		t.Error("another architecture's checkpoint is no error")
	}
}

// Recurrent layers change the order of their gates there and back; tied matrices follow each other.
func TestGatesAndTies(t *testing.T) {
	token := param("token.weight", 4, 6)
	copied := g0.NewParam("onnx::MatMul_9", turn(token.Data))
	m := model(t,
		layer{"/lstm/LSTM", ir.Attrs{"hidden_size": 2, "direction": "bidirectional"},
			[]*ir.Value{param("onnx::LSTM_1", 2, 8, 3), param("onnx::LSTM_2", 2, 8, 2), param("onnx::LSTM_3", 2, 16)}},
		layer{"/Add", nil, []*ir.Value{token}},
		layer{"/MatMul", nil, []*ir.Value{copied}})
	var specs []string
	for _, dir := range []string{"", "_reverse"} {
		specs = append(specs, "lstm.weight_ih_l0"+dir+" 8,3", "lstm.weight_hh_l0"+dir+" 8,2", "lstm.bias_ih_l0"+dir+" 8", "lstm.bias_hh_l0"+dir+" 8")
	}
	c := ckpt(append(specs, "token.weight 4,6")...)
	got := apply(t, m, find(t, m, c, Options{}))
	// ONNX's second gate, o, is PyTorch's fourth.
	if w, p := got.Param("onnx::LSTM_1").Tensor.F32(), c.get("lstm.weight_ih_l0").F32(); w[2*3] != p[6*3] {
		t.Error("the gates are not in ONNX's order")
	}
	if !same(got.Param("onnx::MatMul_9").Tensor, turn(c.get("token.weight"))) {
		t.Error("the tied matrix does not follow")
	}
	for _, d := range []*StateDict{exportAs(t, got, c), must(Export(got, ""))} {
		for _, x := range c.Tensors {
			if e := d.get(x.Name); !same(e.tensor, x.Tensor) {
				t.Errorf("%s comes back as another tensor", x.Name)
			}
		}
	}
}

func must(d *StateDict, err error) *StateDict {
	if err != nil {
		panic(err)
	}
	return d
}
