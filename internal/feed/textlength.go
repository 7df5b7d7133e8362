package feed

import (
	"cmp"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// usualLength is how many tokens a text may have where nothing says how many the model takes.
const usualLength = 512

// mostTokens is the largest number of tokens up to what is declared, halved until the model's
// shapes allow it: a table of positions has an end.
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

// leastTokens is the smallest number of tokens that the model's shapes allow: a convolution needs
// as many as it reads at once.
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

// leastLimit is where leastTokens gives up: what is wrong with the model is told when it is
// compiled.
const leastLimit = 64
