package feed

import (
	"cmp"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// usualLength is the maximum number of tokens of a text if nothing says how many the model takes.
const usualLength = 512

// mostTokens returns the largest number of tokens that the model's shapes allow, as a table of
// positions is limited. It starts with the declared number and halves it.
func mostTokens(m *onnx.Model, f *Texts, declared int) int {
	most := cmp.Or(declared, usualLength)
	for ; most > 8; most /= 2 {
		shapes := map[string]tensor.Shape{}
		for _, in := range m.Graph.Inputs {
			shapes[in.Name] = tensor.Shape{2, most}
		}
		if _, err := compile.Model(m.Graph, compile.Options{Shapes: shapes, Plain: true}); err == nil {
			break
		}
	}
	return most
}

// leastTokens returns the smallest number of tokens that the model's shapes allow. A convolution
// needs at least as many as its window.
func leastTokens(m *onnx.Model, most int) int {
	for least := 1; least < min(most, leastLimit); least++ {
		shapes := map[string]tensor.Shape{}
		for _, in := range m.Graph.Inputs {
			shapes[in.Name] = tensor.Shape{2, least}
		}
		if _, err := compile.Model(m.Graph, compile.Options{Shapes: shapes, Plain: true}); err == nil {
			return least
		}
	}
	return 1
}

// leastLimit is where leastTokens stops searching. The compiler then reports what is wrong with the
// model.
const leastLimit = 64
