package feed

import (
	"cmp"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// usualLength is the maximum number of tokens of a text if nothing says how many the model takes.
const usualLength = 512

// mostTokens is the largest number of tokens up to what is declared that the model's shapes allow: a
// table of positions has an end. Where that is not what was declared a note says so.
func mostTokens(m *onnx.Model, f *Texts, declared int) int {
	fits := func(n int) bool {
		shapes := map[string]tensor.Shape{}
		for _, in := range m.Graph.Inputs {
			shapes[in.Name] = tensor.Shape{2, n}
		}
		_, err := compile.Model(m.Graph, compile.Options{Shapes: shapes, Plain: true})
		return err == nil
	}
	most := cmp.Or(declared, usualLength)
	if most <= 8 || fits(most) {
		return most
	}
	low, high := most/2, most
	for low > 8 && !fits(low) {
		low, high = low/2, low
	}
	for high-low > 1 {
		if mid := (low + high) / 2; fits(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	f.notes = append(f.notes, fmt.Sprintf("the model takes texts of up to %d tokens; longer ones are cut", low))
	return low
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
