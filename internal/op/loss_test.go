package op

import (
	"math"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestLosses(t *testing.T) {
	x := tensor.Of([]float32{-2, 0, 0.5, 30}, 2, 2)
	target := tensor.Of([]float32{0, 1, 0.25, 1}, 2, 2)
	var bce, mse float64
	for i, v := range x.Float64s() {
		want := target.Float64s()[i]
		p := 1 / (1 + math.Exp(-v))
		bce -= want * math.Log(p) / 4
		if want < 1 {
			bce -= (1 - want) * math.Log(1-p) / 4
		}
		mse += (v - want) * (v - want) / 4
	}
	for _, c := range []struct {
		name  string
		build func(b *ir.Builder, x, target *ir.Value) *ir.Value
		want  float64
	}{{"BCEWithLogits", BCEWithLogits, bce}, {"MSE", MSE, mse}} {
		t.Run(c.name, func(t *testing.T) {
			g := ir.New("loss")
			a, b := g.AddInput("x", ir.TypeOf(x)), g.AddInput("target", ir.TypeOf(target))
			build := ir.NewBuilder(g, "loss")
			y := c.build(build, a, b)
			if err := build.Err(); err != nil {
				t.Fatal(err)
			}
			env := map[*ir.Value]*tensor.Tensor{a: x, b: target}
			if err := runGraph(g, env); err != nil {
				t.Fatal(err)
			}
			if err := tensor.Close(env[y], tensor.Scalar(float32(c.want)), byHand); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCrossEntropyRefusesLabels(t *testing.T) {
	d := ir.Lookup("SoftmaxCrossEntropy")
	c := ir.Case{Inputs: []*tensor.Tensor{tensor.New(tensor.Float32, 2, 3), tensor.Of([]int64{0, 3})}}
	if _, err := runCase(d, c); err == nil {
		t.Error("label 3 of 3 classes is accepted")
	}
}
