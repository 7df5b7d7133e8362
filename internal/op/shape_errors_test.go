package op

import (
	"fmt"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// TestShapeErrors gives operators inputs that do not fit: they must say so and not panic.
func TestShapeErrors(t *testing.T) {
	f := tensor.Float32
	for _, c := range []struct {
		op     string
		inputs []ir.Type
		attrs  ir.Attrs
		want   string
	}{
		{"Conv", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4, 4}}, {DType: f, Shape: tensor.Shape{2, 4, 3, 3}}}, nil, "channels"},
		{"Conv", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 2, 2}}, {DType: f, Shape: tensor.Shape{2, 3, 3, 3}}}, nil, "exceeds"},
		{"Conv", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4, 4}}, {DType: f, Shape: tensor.Shape{2, 3, 3, 3}}}, ir.Attrs{"strides": []int{0, 1}}, "strides"},
		{"Conv", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4, 4}}, {DType: f, Shape: tensor.Shape{2, 3, 3, 3}}}, ir.Attrs{"group": 0}, "group"},
		{"Conv", []ir.Type{{DType: f, Shape: tensor.Shape{3}}, {DType: f, Shape: tensor.Shape{2}}}, nil, "no channel axis"},
		{"Conv", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4, 4}}}, nil, "input 1 is missing"},
		{"ConvGradInput", []ir.Type{{DType: f, Shape: tensor.Shape{1, 2, 4, 4}}, {DType: f, Shape: tensor.Shape{2, 3, 3, 3}}}, ir.Attrs{"spatial": []int{4, 4}}, "does not fit"},
		{"MatMul", []ir.Type{{DType: f, Shape: tensor.Shape{2, 3}}, {DType: f, Shape: tensor.Shape{4, 5}}}, nil, "do not multiply"},
		{"MatMul", []ir.Type{{DType: f, Shape: tensor.Shape{2, 3}}, {DType: tensor.Int64, Shape: tensor.Shape{3, 5}}}, nil, "multiplies"},
		{"MatMul", []ir.Type{{DType: f, Shape: tensor.Shape{2, 3}}, {DType: f, Shape: tensor.Shape{3, 5}}}, ir.Attrs{"act": "cube"}, "activation"},
		{"MaxPool", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4, 4}}}, nil, "kernel_shape"},
		{"MaxPool", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4, 4}}}, ir.Attrs{"kernel_shape": []int{2, 2}, "pads": []int{2, 0, 0, 0}}, "empty"},
		{"BatchNormalization", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4, 4}}, {DType: f, Shape: tensor.Shape{4}}}, nil, "missing"},
		{"LayerNormalization", []ir.Type{{DType: f, Shape: tensor.Shape{2, 3}}, {DType: f, Shape: tensor.Shape{2}}}, nil, "not float32[3]"},
		{"GroupNormalization", []ir.Type{{DType: f, Shape: tensor.Shape{1, 3, 4}}, {DType: f, Shape: tensor.Shape{3}}, {DType: f, Shape: tensor.Shape{3}}}, ir.Attrs{"num_groups": 2}, "num_groups"},
		{"Softmax", []ir.Type{{DType: f, Shape: tensor.Shape{2, 3}}}, ir.Attrs{"axis": 2}, "axis 2"},
		{"Softmax", []ir.Type{{DType: f, Shape: tensor.Shape{}}}, nil, "axis -1"},
		{"Relu", []ir.Type{{DType: tensor.Int64, Shape: tensor.Shape{2}}}, nil, "floating point"},
		{"SoftmaxCrossEntropy", []ir.Type{{DType: f, Shape: tensor.Shape{2, 3}}, {DType: tensor.Int64, Shape: tensor.Shape{3}}}, nil, "labels"},
		{"Attention", []ir.Type{{DType: f, Shape: tensor.Shape{1, 4, 6}}, {DType: f, Shape: tensor.Shape{1, 4, 6}}, {DType: f, Shape: tensor.Shape{1, 4, 6}}}, ir.Attrs{"q_num_heads": 4}, "heads"},
		{"Recurrence", []ir.Type{{DType: f, Shape: tensor.Shape{1, 2, 6}}, {DType: f, Shape: tensor.Shape{6, 3}}}, ir.Attrs{"cell": "GRU"}, "recurrent weights"},
		{"Dropout", []ir.Type{{DType: f, Shape: tensor.Shape{1}}}, ir.Attrs{"ratio": float32(1.5)}, "ratio"},
	} {
		t.Run(fmt.Sprint(c.op, " ", c.want), func(t *testing.T) {
			g := ir.New("errors")
			n := &ir.Node{Name: "n", Op: c.op, Attrs: c.attrs}
			for _, ty := range c.inputs {
				n.Inputs = append(n.Inputs, g.AddInput("x", ty))
			}
			_, err := ir.Lookup(c.op).Infer(n)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}
