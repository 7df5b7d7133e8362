package op

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestCrossEntropyRefusesLabels(t *testing.T) {
	d := ir.Lookup("SoftmaxCrossEntropy")
	c := ir.Case{Inputs: []*tensor.Tensor{tensor.New(tensor.Float32, 2, 3), tensor.Of([]int64{0, 3})}}
	if _, err := runCase(d, c); err == nil {
		t.Error("label 3 of 3 classes is accepted")
	}
}

func TestCTCRefusesLabels(t *testing.T) {
	d := ir.Lookup("CTCLoss")
	for _, label := range []int64{0, 3} { // the blank, and one class too many
		c := ir.Case{Inputs: []*tensor.Tensor{tensor.New(tensor.Float32, 1, 4, 3), tensor.Of([]int64{label}, 1, 1)}}
		if _, err := runCase(d, c); err == nil {
			t.Errorf("label %d of 3 classes is accepted", label)
		}
	}
}
