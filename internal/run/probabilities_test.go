package run

import (
	"context"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// outputOf runs a file as any runtime would, on inputs of a few numbers, and returns its only
// output.
func outputOf(t *testing.T, path string) []float64 {
	t.Helper()
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Outputs) != 1 {
		t.Fatalf("%s has %d outputs", path, len(m.Outputs))
	}
	shapes := map[string]tensor.Shape{}
	var inputs []*tensor.Tensor
	for _, v := range m.Graph.Inputs {
		shape := v.Type.Shape.Clone()
		shape[0] = 2
		x := tensor.New(v.Type.DType, shape...)
		for i := range x.F32() {
			x.F32()[i] = float32(math.Sin(float64(i)))
		}
		shapes[v.Name], inputs = shape, append(inputs, x)
	}
	p, err := compile.Inference(m.Graph, shapes, compile.Memory{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Float64s()
}

// TestProbabilities: a file whose output is probabilities computes them from the tuned file's scores,
// keeps every weight, gives the same answers here, and can be tuned again.
func TestProbabilities(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) config.Config{
		"classes": func(t *testing.T) config.Config { return tinyConfig(t) },
		"own classifier": func(t *testing.T) config.Config {
			c := tinyConfig(t)
			c.Head, c.Thaw = "keep", []string{"last:1"}
			return c
		},
		"several labels": func(t *testing.T) config.Config {
			c := tinyConfig(t)
			c.Data = answerTables(t, c.Data, "a", "a|b", "b|c", "")
			return c
		},
		"windows of sounds": func(t *testing.T) config.Config { return waveConfig(t) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := make(t)
			cfg.Out, cfg.Epochs = t.TempDir(), 2
			mustFit(t, cfg)
			file, path := filepath.Join(cfg.Out, ModelFile), filepath.Join(t.TempDir(), "probabilities.onnx")
			said, err := tuned.WriteProbabilities(file, path)
			if err != nil {
				t.Fatal(err)
			}
			scores, probs := outputOf(t, file), outputOf(t, path)
			for i, row := 0, len(scores)/2; i < len(scores); i += row {
				sum := 0.0
				for _, v := range scores[i : i+row] {
					sum += math.Exp(v)
				}
				for k, v := range scores[i : i+row] {
					want := math.Exp(v) / sum
					if said.Operator == "Sigmoid" {
						want = 1 / (1 + math.Exp(-v))
					}
					if math.Abs(probs[i+k]-want) > 1e-6 {
						t.Errorf("output %d is %g, want %g of score %g", i+k, probs[i+k], want, v)
					}
				}
			}
			if v, err := tuned.Verify(cfg.Model, path, ""); err != nil || !v.Identical {
				t.Errorf("verify: %+v (%v)", v, err)
			}
			evaluate := func(path string) *tuned.Evaluation {
				p, err := tuned.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				e, err := p.Eval(context.Background(), cfg.Data)
				if err != nil {
					t.Fatal(err)
				}
				e.Seconds = 0
				return e
			}
			if a, b := evaluate(file), evaluate(path); !reflect.DeepEqual(a, b) {
				t.Errorf("the tuned file is measured as %+v, the one with probabilities as %+v", a, b)
			}
			_, err = tuned.WriteProbabilities(path, filepath.Join(t.TempDir(), "twice.onnx"))
			wantError(t, err, "gives probabilities already")

			for _, head := range []string{"linear", "keep"} {
				again := cfg
				again.Model, again.Out, again.Head = path, t.TempDir(), head
				r := mustFit(t, again)
				e := evaluate(filepath.Join(again.Out, ModelFile)) // of the validation examples, where they have a folder
				if name != "windows of sounds" && math.Abs(e.Loss-r.ValLoss) > 1e-4*(1+r.ValLoss) {
					t.Errorf("tuned again with head %s: loss %g, the fit said %g", head, e.Loss, r.ValLoss)
				}
			}
		})
	}
}

func TestNoProbabilities(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Data, cfg.Out, cfg.Epochs = answerTables(t, cfg.Data, "-3.5", "10", "22.5", "40"), t.TempDir(), 1
	mustFit(t, cfg)
	_, err := tuned.WriteProbabilities(filepath.Join(cfg.Out, ModelFile), filepath.Join(t.TempDir(), "p.onnx"))
	wantError(t, err, "regress has no probabilities")
	_, err = tuned.WriteProbabilities(cfg.Model, filepath.Join(t.TempDir(), "p.onnx"))
	wantError(t, err, "not written by permafrost fit")
}

// TestProbabilitiesOfTemperature: the temperature of a kept head is in the probabilities, and the
// file's answers are those of the tuned one, also tuned again.
func TestProbabilitiesOfTemperature(t *testing.T) {
	cfg := shy(t)
	cfg.Head, cfg.LR, cfg.Epochs, cfg.Out = "keep", 0.03, 6, filepath.Join(t.TempDir(), "run")
	_, r := mustSettled(t, cfg)
	file, path := filepath.Join(cfg.Out, ModelFile), filepath.Join(t.TempDir(), "probabilities.onnx")
	_, err := tuned.WriteProbabilities(file, path)
	must(t, err)
	scores, probs := outputOf(t, file), outputOf(t, path)
	sum, n := 0.0, len(scores)/2
	for _, v := range scores[:n] {
		sum += math.Exp(v / r.Temperature)
	}
	for k, v := range scores[:n] {
		if want := math.Exp(v/r.Temperature) / sum; math.Abs(probs[k]-want) > 1e-6 || r.Temperature == 1 {
			t.Errorf("output %d is %g, want %g of temperature %g", k, probs[k], want, r.Temperature)
		}
	}
	v, err := tuned.Verify(cfg.Model, path, "")
	if err != nil || !v.Identical {
		t.Errorf("verify: %+v (%v)", v, err)
	}
	loss := func(path string) float64 {
		p, err := tuned.Open(path)
		must(t, err)
		defer p.Close()
		e, err := p.Eval(context.Background(), cfg.Val)
		must(t, err)
		return e.Loss
	}
	if a, b := loss(file), loss(path); a != b {
		t.Errorf("the tuned file has the loss %g, with probabilities %g", a, b)
	}
	for _, head := range []string{"linear", "keep"} {
		again := cfg
		again.Model, again.Head, again.Out, again.Epochs = path, head, filepath.Join(t.TempDir(), "run"), 1
		_, r := mustSettled(t, again)
		if l := loss(filepath.Join(again.Out, ModelFile)); math.Abs(l-r.ValLoss) > 1e-4 {
			t.Errorf("tuned again with head %s: loss %g, the fit said %g", head, l, r.ValLoss)
		}
	}
}
