package feed

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// expects is the preset of the values that a model wants, and what tells so; "" where nothing does.
// The model's metadata say it by the keys of Windows' image models; integers are samples from 0 to
// 255; else the model's first operators tell, where they scale and shift their input.
func expects(m *onnx.Model, in Picture) (preset, why string) {
	switch r := m.Metadata["Image.NominalPixelRange"]; r {
	case "NominalRange_0_255":
		return "raw", "metadata Image.NominalPixelRange " + r
	case "Normalized_0_1":
		return "unit", "metadata Image.NominalPixelRange " + r
	case "Normalized_1_1":
		return "inception", "metadata Image.NominalPixelRange " + r
	}
	if in.DType.IsInt() {
		return "raw", fmt.Sprintf("the input takes %v", in.DType)
	}
	return scaledBy(m.Graph)
}

// scaledBy follows the input through operators that give a*x + b, as averages over the channels.
// Without a shift, a division by about 255 wants samples from 0 to 255, a multiplication by it
// values from 0 to 1. With one, -b/a is what becomes zero, the middle of the values that the model
// wants.
func scaledBy(g *ir.Graph) (preset, why string) {
	users := g.Users()
	a, b := 1.0, 0.0
	norm := false // a normalisation, whose numbers are learned
	for v, i := g.Inputs[0], 0; i < 32; i++ {
		next := users[v]
		if len(next) != 1 || len(next[0].Outputs) == 0 {
			break
		}
		n := next[0]
		c := math.NaN()
		if o := otherInput(n, v); o != nil {
			c = mean(o)
		}
		first := n.Inputs[0] == v
		ok := true
		switch {
		case n.Op == "Cast" || n.Op == "Identity" || n.Op == "Transpose" || n.Op == "Pad" || n.Op == "Resize" || n.Op == "Reshape" || n.Op == "Squeeze" || n.Op == "Unsqueeze":
		case n.Op == "Add" && !math.IsNaN(c):
			b += c
		case n.Op == "Sub" && first && !math.IsNaN(c):
			b -= c
		case n.Op == "Mul" && !math.IsNaN(c):
			a, b = a*c, b*c
		case n.Op == "Div" && first && !math.IsNaN(c) && c != 0:
			a, b = a/c, b/c
		case n.Op == "ImageScaler":
			s := float64(n.Attrs.Float("scale", 1))
			a, b = a*s, b*s
			if bias, _ := n.Attrs["bias"].([]float32); len(bias) > 0 { // of other operators it is a number
				for _, x := range bias {
					b += float64(x) / float64(len(bias))
				}
			}
		case n.Op == "BatchNormalization" && len(n.Inputs) == 5 && n.Inputs[1].Data != nil && n.Inputs[2].Data != nil && n.Inputs[3].Data != nil && n.Inputs[4].Data != nil:
			s := mean(n.Inputs[1]) / math.Sqrt(mean(n.Inputs[4])+float64(n.Attrs.Float("epsilon", 1e-5)))
			a, b, norm = a*s, (b-mean(n.Inputs[3]))*s+mean(n.Inputs[2]), true
		default:
			ok = false
		}
		if !ok {
			break
		}
		v = n.Outputs[0]
	}
	zero := -b / a
	why = fmt.Sprintf("the model's first operators compute %.4g*x%+.4g", a, b)
	switch {
	case a <= 0 || math.IsNaN(a) || math.IsInf(a, 0) || math.IsNaN(b):
	case zero > 20 && zero < 255, math.Abs(b) < 1e-6 && a <= 1./50:
		return "raw", why
	case norm:
	case zero > 0.2 && zero < 0.8, math.Abs(b) < 1e-6 && a >= 50:
		return "unit", why
	case math.Abs(zero+1) < 0.05:
		return "inception", why
	}
	return "", ""
}

func mean(v *ir.Value) float64 {
	n := v.Data.Len()
	if n == 0 || n > 4096 {
		return math.NaN()
	}
	sum := 0.0
	for i := range n {
		sum += v.Data.Float64(i)
	}
	return sum / float64(n)
}
