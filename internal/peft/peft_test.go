package peft

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// pytorch is what testdata/make.py computed with PyTorch.
type pytorch struct {
	Input  []float32
	Shape  []int
	Scores map[string][]float32
}

func cases(t *testing.T) map[string]pytorch {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]pytorch
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func open(t *testing.T, name string) *onnx.Model {
	t.Helper()
	m, err := onnx.Open(filepath.Join("testdata", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func scores(t *testing.T, g *ir.Graph, c pytorch) []float32 {
	t.Helper()
	s, err := compile.Model(g, compile.Options{Shapes: map[string]tensor.Shape{"x": c.Shape}, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile.Region(s, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), tensor.Of(c.Input, c.Shape...))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(out[0].F32())
}

func check(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d scores, want %d", what, len(got), len(want))
	}
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); d > 2e-5*(1+math.Abs(float64(want[i]))) {
			t.Errorf("%s: scores %v, PyTorch has %v", what, got, want)
			return
		}
	}
}

// TestScores: with an adapter beside its layers, and merged into them, a model gives PyTorch's scores; and
// so it does with the adapter that is written of it.
func TestScores(t *testing.T) {
	for name, c := range cases(t) {
		for key, want := range c.Scores {
			t.Run(name+" "+key, func(t *testing.T) {
				m := open(t, name)
				if key == "none" {
					check(t, "without an adapter", scores(t, m.Graph, c), want)
					return
				}
				a, err := Read(filepath.Join("testdata", key))
				if err != nil {
					t.Fatal(err)
				}
				merged := func(a *Adapter) []float32 {
					m := open(t, name)
					weights, _, err := a.Merged(m.Graph)
					if err != nil {
						t.Fatal(err)
					}
					for _, p := range m.Graph.Params() {
						if w := weights[p.Name]; w != nil {
							p.Data = w
						}
					}
					return scores(t, m.Graph, c)
				}
				check(t, "merged", merged(a), want)

				g, _ := ir.Clone(m.Graph)
				set := freeze.Describe(g, nil)
				p, err := a.Place(g, set, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range g.Params() {
					if w := p.Full[v.Name]; w != nil {
						v.Data = w
					}
				}
				added, err := adapter.Add(g, set, adapter.Spec{Given: p.Given})
				if err != nil {
					t.Fatal(err)
				}
				check(t, "beside", scores(t, g, c), want)

				pairs, all := added.Pairs()
				full := map[string]*tensor.Tensor{}
				for weight := range p.Full {
					path, w, err := Whole(g, set, set.ByName(weight))
					if err != nil {
						t.Fatal(err)
					}
					full[path] = w
				}
				out, err := Of(pairs, set, full, "some/base")
				if err != nil || !all {
					t.Fatal(err, all)
				}
				dir := filepath.Join(t.TempDir(), "out")
				if err := out.Write(dir); err != nil {
					t.Fatal(err)
				}
				again, err := Read(dir)
				if err != nil {
					t.Fatal(err)
				}
				check(t, "written and read", merged(again), want)
				for _, p := range again.Pairs {
					i := slices.IndexFunc(a.Pairs, func(o Pair) bool { return o.Module == p.Module || strings.HasSuffix(o.Module, "."+p.Module) })
					if i < 0 || string(a.Pairs[i].A.Bytes) != string(p.A.Bytes) || string(a.Pairs[i].B.Bytes) != string(p.B.Bytes) {
						t.Errorf("the pair of %s is not to the bit what was read", p.Module)
					}
				}
			})
		}
	}
}

// edited copies an adapter with changes of its configuration and tensors.
func edited(t *testing.T, from string, config map[string]any, tensors func(map[string]*tensor.Tensor)) string {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(filepath.Join("testdata", from, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	maps.Copy(all, config)
	if b, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), b, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.ReadFile(filepath.Join("testdata", from, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	if tensors != nil {
		tensors(f.Tensors)
	}
	w, err := os.Create(filepath.Join(dir, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := safetensors.Write(w, *f); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRefused: whatever would change what an adapter computes, and is not understood, is refused by its
// name; what would not is accepted.
func TestRefused(t *testing.T) {
	const q = prefix + "encoder.layer.0.attention.query"
	type tensors = map[string]*tensor.Tensor
	for name, c := range map[string]struct {
		config map[string]any
		edit   func(tensors)
		want   string // "": it is read
	}{
		"dora":             {map[string]any{"use_dora": true}, nil, "use_dora true"},
		"ia3":              {map[string]any{"peft_type": "IA3"}, nil, `peft_type is "IA3"`},
		"no type":          {map[string]any{"peft_type": nil}, nil, "peft_type is null"},
		"a new key":        {map[string]any{"use_other": 3}, nil, "use_other 3"},
		"a new key off":    {map[string]any{"use_other": false, "other": map[string]any{}}, nil, ""},
		"replicated":       {map[string]any{"layer_replication": [][]int{{0, 2}}}, nil, "layer_replication"},
		"lora bias":        {map[string]any{"lora_bias": true}, nil, "lora_bias true"},
		"pissa":            {map[string]any{"init_lora_weights": "pissa_niter_4"}, nil, "pissa_niter_4"},
		"gaussian":         {map[string]any{"init_lora_weights": "gaussian"}, nil, ""},
		"layers":           {map[string]any{"layers_to_transform": []int{0}, "layers_pattern": "layer"}, nil, ""},
		"alpha missing":    {map[string]any{"alpha_pattern": map[string]float64{"encoder[": 2}}, nil, "alpha_pattern"},
		"two patterns":     {map[string]any{"alpha_pattern": map[string]float64{"query": 2, ".*query": 3}}, nil, "both"},
		"another rank":     {map[string]any{"r": 3}, nil, "has rank 2"},
		"rank by pattern":  {map[string]any{"r": 3, "rank_pattern": map[string]int{".*": 2}}, nil, ""},
		"bias":             {map[string]any{"bias": "some"}, nil, `bias is "some"`},
		"magnitudes":       {nil, func(ts tensors) { ts[q+".lora_magnitude_vector"] = tensor.Of([]float32{1}) }, "lora_magnitude_vector"},
		"embedding":        {nil, func(ts tensors) { ts[prefix+"e.lora_embedding_A"] = tensor.Of([]float32{1}) }, "lora_embedding_A"},
		"a bias of a pair": {nil, func(ts tensors) { ts[q+".lora_B.bias"] = tensor.Of([]float32{1}) }, "lora_B.bias"},
		"another tensor":   {nil, func(ts tensors) { ts[prefix+"classifier.weight"] = tensor.Of([]float32{1}) }, "modules_to_save"},
		"half a pair":      {nil, func(ts tensors) { delete(ts, q+".lora_B.weight") }, "no lora_B"},
		"the other half":   {nil, func(ts tensors) { delete(ts, q+".lora_A.weight") }, "no lora_A"},
		"no prefix":        {nil, func(ts tensors) { ts["x.lora_A.weight"] = ts[q+".lora_A.weight"] }, "does not begin with base_model.model."},
		"no pair":          {nil, func(ts tensors) { clear(ts) }, "no pair"},
		"integers":         {nil, func(ts tensors) { ts[q+".lora_A.weight"] = tensor.New(tensor.Int8, 2, 8) }, "int8"},
		"shapes":           {nil, func(ts tensors) { ts[q+".lora_B.weight"] = tensor.New(tensor.Float32, 8, 3) }, "are no pair"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(edited(t, "plain", c.config, c.edit))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no adapter of peft") {
		t.Error(err)
	}
}

// TestPlaces: modules that fit several weights, weights that fit several modules, and modules without a
// weight are refused, with the names of both sides.
func TestPlaces(t *testing.T) {
	m := open(t, "sequences")
	pair := func(modules ...string) *Adapter {
		a := &Adapter{}
		for _, name := range modules {
			a.Pairs = append(a.Pairs, Pair{name, tensor.New(tensor.Float32, 1, 8), tensor.New(tensor.Float32, 8, 1), 1})
		}
		return a
	}
	for want, a := range map[string]*Adapter{
		`fits several weights of the model: "onnx::MatMul_79" and "onnx::MatMul_85"`: pair("attention.query"),
		"no weight for encoder.layer.7.attention.query.weight":                       pair("encoder.layer.7.attention.query"),
		"nearest names: encoder.layer.0.attention.query.weight":                      pair("encoder.layer.7.attention.query"),
		`both fit weight "onnx::MatMul_79"`:                                          pair("encoder.layer.0.attention.query", "bert.encoder.layer.0.attention.query"),
	} {
		if _, _, err := a.Merged(m.Graph); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	_, _, err := pair("layer1.0.conv1").Merged(shared(t))
	if err == nil || !strings.Contains(err.Error(), "the exporter folded batch normalisation into convolution") {
		t.Error(err)
	}
	wide := pair("encoder.layer.0.up")
	if _, _, err := wide.Merged(m.Graph); err == nil || !strings.Contains(err.Error(), "do not fit its weight [8,16]") {
		t.Error(err)
	}
}

// shared is the graph of a network whose exporter folded batch normalisation into convolutions.
func shared(t *testing.T) *ir.Graph {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "models", "resnet20-cifar10-folded.onnx")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the folder shared is not here: ", err)
	}
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

// TestOneLayerOfTwo: of weights whose paths end alike, the one with the whole path is meant.
func TestOneLayerOfTwo(t *testing.T) {
	a, b := &freeze.Weight{Name: "a"}, &freeze.Weight{Name: "b"}
	places := []place{{a, "query.weight"}, {b, "encoder.query.weight"}}
	if w, err := one(places, "query.weight"); w != a || err != nil {
		t.Error(w, err)
	}
	if w, err := one(places, "bert.encoder.query.weight"); w != nil || err == nil || !strings.Contains(err.Error(), `"a" and "b"`) {
		t.Error(w, err)
	}
}
