package run

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// mixing writes the model of pictures with a node put behind its input.
func mixing(t *testing.T, node func(g *ir.Graph, x *ir.Value) *ir.Value) config.Config {
	t.Helper()
	dir := t.TempDir()
	g := fixture.Graph(2, 1)
	fixture.BehindInput(g, node)
	b, err := onnx.Build(g, onnx.BuildOptions{Opset: 17})
	must(t, err)
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data = filepath.Join(dir, "m.onnx"), filepath.Join(dir, "data")
	must(t, os.WriteFile(cfg.Model, b, 0o644))
	must(t, fixture.WritePictures(cfg.Data, 8, 2, 1))
	cfg.Cache = "off"
	return cfg
}

// A text that is longer than the model's table of positions is cut, or refused by the option that
// mends it.
func TestTextLongerThanPositions(t *testing.T) {
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data = shared.Path(t, "cases/text-longer-than-positions/m.onnx"), shared.Path(t, "cases/text-longer-than-positions/t.csv")
	cfg.Cache = "off"
	s, err := Prepare(t.Context(), cfg)
	must(t, err)
	must(t, s.Try(t.Context()))
	if texts := s.Base.Feed.(*feed.Texts); texts.MaxLength() != 16 {
		t.Errorf("texts of up to %d tokens, want 16", texts.MaxLength())
	}
	cfg.MaxLength = 20
	s, err = Prepare(t.Context(), cfg)
	must(t, err)
	wantError(t, s.Try(t.Context()), "max_length")
}

// What makes an example's values depend on its company, or on chance, is found before a fit; what
// only seems to do so is heeded.
func TestCompany(t *testing.T) {
	add := func(g *ir.Graph, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: "added" + op, Op: op, Version: 17, Attrs: attrs, Inputs: in}, []ir.Type{{DType: tensor.Float32}}, "added"+op).Outputs[0]
	}
	for _, c := range []struct {
		name string
		node func(g *ir.Graph, x *ir.Value) *ir.Value
		want string // a piece of the error; "" for none
	}{
		{"mean over the batch", func(g *ir.Graph, x *ir.Value) *ir.Value {
			return add(g, "Sub", nil, x, add(g, "ReduceMean", ir.Attrs{"axes": []int{0}}, x))
		}, `node "addedReduceMean" (ReduceMean) mixes the examples of a batch`},
		{"sum along the batch, which leaves the first example alone", func(g *ir.Graph, x *ir.Value) *ir.Value {
			return add(g, "CumSum", nil, x, g.NewConst("axis", tensor.Scalar(int64(0))))
		}, `node "addedCumSum" (CumSum) mixes the examples of a batch`},
		{"scale of the whole batch", func(g *ir.Graph, x *ir.Value) *ir.Value {
			n := g.AddNode(&ir.Node{Name: "quantise", Op: "DynamicQuantizeLinear", Version: 17, Attrs: ir.Attrs{}, Inputs: []*ir.Value{x}}, []ir.Type{{DType: tensor.Uint8}, {DType: tensor.Float32}, {DType: tensor.Uint8}}, "q", "s", "z")
			return add(g, "DequantizeLinear", nil, n.Outputs...)
		}, ""},
		{"noise", func(g *ir.Graph, x *ir.Value) *ir.Value {
			return add(g, "Add", nil, x, add(g, "RandomNormalLike", nil, x))
		}, "random numbers"},
		{"norm over the batch", func(g *ir.Graph, x *ir.Value) *ir.Value {
			return add(g, "MeanVarianceNormalization", nil, x)
		}, ""},
		{"norm in training mode", func(g *ir.Graph, x *ir.Value) *ir.Value {
			w := func(name string) *ir.Value { return g.NewParam(name, tensor.Of([]float32{1, 2, 3})) }
			return add(g, "BatchNormalization", ir.Attrs{"training_mode": 1}, x, w("s"), w("b"), w("m"), w("v"))
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Prepare(t.Context(), mixing(t, c.node))
			if err == nil {
				err = s.Check()
			}
			if err == nil {
				err = s.Try(t.Context())
			}
			if c.want != "" {
				wantError(t, err, c.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// Nothing before a node that takes its scale from the whole batch can train: a step's batch is whole.
func TestScaleOfTheBatchBehindWhatTrains(t *testing.T) {
	cfg := mixing(t, func(g *ir.Graph, x *ir.Value) *ir.Value {
		add := func(op string, outputs int, in ...*ir.Value) []*ir.Value {
			types := slices.Repeat([]ir.Type{{DType: tensor.Float32}}, outputs)
			return g.AddNode(&ir.Node{Name: "added" + op, Op: op, Version: 17, Attrs: ir.Attrs{}, Inputs: in}, types).Outputs
		}
		gain := g.NewParam("gain", tensor.Of([]float32{1, 2, 1}, 3, 1, 1))
		return add("DequantizeLinear", 1, add("DynamicQuantizeLinear", 3, add("Mul", 1, x, gain)[0])...)[0]
	})
	s, err := Prepare(t.Context(), cfg)
	must(t, err)
	must(t, s.Check())
	cfg.Thaw = []string{"gain"}
	s, err = Prepare(t.Context(), cfg)
	must(t, err)
	wantError(t, s.Check(), `node "addedDynamicQuantizeLinear" takes its scale from the whole batch`)
}

// What mixes the examples of a batch is found where it is live, although a fresh head starts at zero
// and gives every example the same scores.
func TestCompanyBehindWhatTrains(t *testing.T) {
	for op, mix := range map[string]func(add func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value{
		"Softmax": func(add func(string, ir.Attrs, ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value {
			return add("Softmax", ir.Attrs{"axis": 0}, x)
		},
		"ReduceMean": func(add func(string, ir.Attrs, ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value {
			return add("Sub", nil, x, add("ReduceMean", ir.Attrs{"axes": []int{0, 2, 3}}, x))
		},
		"ReduceMax": func(add func(string, ir.Attrs, ...*ir.Value) *ir.Value, x *ir.Value) *ir.Value {
			return add("Add", nil, x, add("ReduceMax", ir.Attrs{"axes": []int{-4}}, x))
		},
	} {
		cfg := mixing(t, func(g *ir.Graph, x *ir.Value) *ir.Value {
			add := func(op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
				return g.AddNode(&ir.Node{Name: "added" + op, Op: op, Version: 17, Attrs: attrs, Inputs: in}, []ir.Type{{DType: tensor.Float32}}, "added"+op).Outputs[0]
			}
			return mix(add, add("Mul", nil, x, g.NewParam("gain", tensor.Of([]float32{1, 2, 1}, 3, 1, 1))))
		})
		for _, thaw := range []string{"head", "gain", "all"} {
			t.Run(op+" "+thaw, func(t *testing.T) {
				cfg.Thaw = []string{thaw}
				s, err := Prepare(t.Context(), cfg)
				must(t, err)
				must(t, s.Check())
				wantError(t, s.Try(t.Context()), `node "added`+op+`" (`+op+`) mixes the examples of a batch`)
			})
		}
	}
}
