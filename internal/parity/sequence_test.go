package parity

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/grad"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// sequences is what sequences.py writes.
type sequences struct {
	dir      string
	Steps    int
	Momentum float32
	Decay    float32
	Labels   []int64
	Before   [][]float64
	Plans    []plan
	Inputs   []struct {
		Name     string
		Shape    []int
		Integers bool
		Data     []float64
	}
}

func loadSequences(t *testing.T, model string) *sequences {
	t.Helper()
	f := &sequences{}
	f.dir = loadFixture(t, "sequences.py", model, f)
	return f
}

// inputs are the fixture's, and their shapes.
func (f *sequences) inputs() (in []*tensor.Tensor, shapes map[string]tensor.Shape) {
	shapes = map[string]tensor.Shape{}
	for _, x := range f.Inputs {
		v := tensor.New(tensor.Float32, x.Shape...)
		if x.Integers {
			v = tensor.New(tensor.Int64, x.Shape...)
		}
		for i, e := range x.Data {
			if x.Integers {
				v.I64()[i] = int64(e)
			} else {
				v.F32()[i] = float32(e)
			}
		}
		in = append(in, v)
		shapes[x.Name] = x.Shape
	}
	return in, shapes
}

// open reads the model; the weights that a plan thaws are copies that may be changed.
func (f *sequences) open(t *testing.T, p plan) *onnx.Model {
	t.Helper()
	m, err := onnx.Open(filepath.Join(f.dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range m.Graph.Params() {
		if slices.Contains(p.Thawed, w.Name) {
			w.Data = w.Data.Clone()
		}
	}
	return m
}

// graph is the model compiled with all but the plan's weights frozen.
func (f *sequences) graph(t *testing.T, m *onnx.Model, p plan) *ir.Graph {
	t.Helper()
	_, shapes := f.inputs()
	raw := *m.Graph
	raw.Outputs = raw.Outputs[:1]
	g, err := compile.Model(&raw, compile.Options{Shapes: shapes, Frozen: func(v *ir.Value) bool { return !slices.Contains(p.Thawed, v.Name) }})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// logits are the scores of the model as it is.
func (f *sequences) logits(t *testing.T, m *onnx.Model) []float64 {
	t.Helper()
	p, err := compile.Region(f.graph(t, m, plan{}), compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	in, _ := f.inputs()
	y, err := p.Run(context.Background(), in...)
	if err != nil {
		t.Fatal(err)
	}
	return y[0].Float64s()
}

// train takes the plan's steps in m and returns the loss before each.
func (f *sequences) train(t *testing.T, m *onnx.Model, p plan) (losses []float64) {
	t.Helper()
	g := f.graph(t, m, p)
	scores := g.Outputs[0]
	classes := scores.Type.Shape[len(scores.Type.Shape)-1]
	labels := tensor.Of(f.Labels, len(f.Labels))
	target := g.AddInput("labels", ir.Type{DType: tensor.Int64, Shape: labels.Shape})
	b := ir.NewBuilder(g, "loss")
	rows := b.Op("Reshape", ir.Attrs{"shape": []int{labels.Len(), classes}}, scores)
	loss := b.Op("SoftmaxCrossEntropy", nil, rows, target)
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	wrt := g.Params()
	grads, err := grad.Differentiate(g, loss, wrt)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []*ir.Value{loss}
	var params []*ir.Value
	for i, d := range grads {
		if d != nil {
			outputs, params = append(outputs, d), append(params, wrt[i])
		}
	}
	sub, _ := ir.Extract(g, "train", g.Inputs, outputs)
	program, err := compile.Region(sub, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	in, _ := f.inputs()
	velocity := map[*ir.Value][]float32{}
	sgd := kernel.SGD{LR: p.LR, Momentum: float64(f.Momentum), WeightDecay: float64(f.Decay)}
	for step := range f.Steps {
		out, err := program.Run(context.Background(), append(in, labels)...)
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, out[0].Float64s()[0])
		for i, w := range params {
			if velocity[w] == nil {
				velocity[w] = make([]float32, w.Data.Len())
			}
			sgd.Step(w.Data.F32(), out[1+i].F32(), velocity[w], step == 0, nil)
		}
	}
	return losses
}

// TestSequenceGradients is TestGradients for models that read tokens or samples.
func TestSequenceGradients(t *testing.T) {
	if os.Getenv("PERMAFROST_PARITY") != "all" {
		t.Skip("PERMAFROST_PARITY=all compares sequence models; PyTorch takes a while")
	}
	for _, model := range []string{"encoder", "llama", "lstm_tagger", "wav2vec2"} {
		t.Run(model, func(t *testing.T) {
			f := loadSequences(t, model)
			before := slices.Concat(f.Before...)
			off := norm(minus(f.logits(t, f.open(t, plan{})), before)) / norm(before)
			if t.Logf("logits are off by %.1e", off); !(off <= 1e-4) {
				t.Fatalf("logits before training are off by %.1e", off)
			}
			for _, p := range f.Plans {
				t.Run(p.Name, func(t *testing.T) {
					m := f.open(t, p)
					losses := f.train(t, m, p)
					after := slices.Concat(p.After...)
					off := norm(minus(f.logits(t, m), after)) / norm(minus(after, slices.Concat(p.Start...)))
					t.Logf("off by %.1e, PyTorch's float32 by %.1e", off, p.Noise)
					if limit := max(2e-3, 4*p.Noise); !(off <= limit) {
						t.Errorf("the change of the logits is off by %.1e, more than %.1e", off, limit)
					}
					if len(losses) != len(p.Losses) {
						t.Fatalf("%d steps, want %d", len(losses), len(p.Losses))
					}
					for i, want := range p.Losses {
						if d := math.Abs(losses[i] - want); !(d <= 1e-3*want) {
							t.Errorf("loss before step %d is %g, want %g", i, losses[i], want)
						}
					}
				})
			}
		})
	}
}
