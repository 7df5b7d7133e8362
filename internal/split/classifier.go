package split

import (
	"regexp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Classifier is the last layer of a model, which maps features to class scores.
type Classifier struct {
	Features *ir.Value // its input
	Scores   *ir.Value // its output, before any softmax; pooled if the model pools scores
	Weights  []string  // names of its weights

	Quantized bool // its weights are integers: it can be replaced but not trained
}

// FindClassifier finds the classifier of a raw graph. It walks backwards from an output, through
// nodes that only reshape, pool or normalise scores, to the first matrix product with a weight. It
// returns nil for a trunk, which is a model that outputs features.
//
// A 1x1 convolution counts as a classifier if it reads a pooled map or is named like one. Otherwise
// it is considered the last convolution of a trunk.
func FindClassifier(raw *ir.Graph) *Classifier {
	for i := len(raw.Outputs) - 1; i >= 0; i-- {
		if c := classifierBefore(raw.Outputs[i]); c != nil {
			return c
		}
	}
	return nil
}

var classifierName = regexp.MustCompile(`(?i)(classifier|head|logits|predictions|\bfc\b|last_linear)`)

// scaled lists the operators with which exporters clip and scale scores after the classifier.
var scaled = []string{"Relu", "Mul", "Div", "Exp"}

func classifierBefore(v *ir.Value) *Classifier {
	c := &Classifier{}
	last := v // the earliest value that still holds scores
	for range 32 {
		n := v.Node
		if n == nil {
			return nil
		}
		switch t := n.RawTraits(); {
		case t.Linear:
			w := weightBehind(n.In(1))
			if c.Quantized = w == nil && quantized(n.In(1)); w == nil && !c.Quantized {
				return nil
			}
			c.take(n, w, v)
			return c
		case n.Op == "Conv":
			w := weightBehind(n.In(1))
			if w == nil || !pointwise(w) || !(pooled(n.In(0), 8) || classifierName.MatchString(n.Name)) {
				return nil
			}
			c.take(n, w, v)
			return c
		case n.Op == "Add" || n.Op == "Sub":
			var next *ir.Value
			for _, in := range n.Inputs {
				if w := weightBehind(in); w != nil {
					c.Weights = append(c.Weights, w.Name)
				} else if in != nil && in.Kind == ir.Result && next == nil {
					next = in
				}
			}
			if next == nil || n.Op == "Add" && len(c.Weights) == 0 && n.In(1).Kind == ir.Result {
				return nil
			}
			if len(c.Weights) > 0 && c.Scores == nil {
				c.Scores = v
			}
			v = next
		case t.Probabilities:
			v = n.In(0)
			last = v
		case t.Pools:
			if c.Scores == nil {
				c.Scores = last
			}
			v = n.In(0)
		case t.HandsOn, slices.Contains(scaled, n.Op):
			v = n.In(0)
		default:
			return nil
		}
		if v == nil {
			return nil
		}
	}
	return nil
}

func (c *Classifier) take(n *ir.Node, w, out *ir.Value) {
	c.Features = n.In(0)
	if w != nil {
		c.Weights = append([]string{w.Name}, c.Weights...)
	}
	if b := weightBehind(n.In(2)); b != nil {
		c.Weights = append(c.Weights, b.Name)
	}
	if c.Scores == nil {
		c.Scores = out
	}
}

// weightBehind follows v backwards through nodes that only pass a weight on.
func weightBehind(v *ir.Value) *ir.Value {
	for range 8 {
		if v == nil || v.Kind == ir.Param {
			return v
		}
		if v.Node == nil {
			return nil
		}
		if !v.Node.RawTraits().HandsOn {
			return nil
		}
		v = v.Node.In(0)
	}
	return nil
}

// quantized reports whether v is an integer constant converted to floating point.
func quantized(v *ir.Value) bool {
	for v != nil && v.Node != nil {
		if v.Node.Op == "DequantizeLinear" {
			return v.Node.In(0).IsConst()
		}
		if !v.Node.RawTraits().HandsOn {
			return false
		}
		v = v.Node.In(0)
	}
	return false
}

func pointwise(w *ir.Value) bool {
	for _, d := range w.Type.Shape[min(2, len(w.Type.Shape)):] {
		if d != 1 {
			return false
		}
	}
	return true
}

// pooled reports whether v comes from a global pooling, possibly through activations and
// convolutions of the pooled vector.
func pooled(v *ir.Value, depth int) bool {
	if v == nil || v.Node == nil || depth == 0 {
		return false
	}
	switch t := v.Node.RawTraits(); {
	case t.Pools:
		return true
	case t.Activation, t.HandsOn, v.Node.Op == "Mul", v.Node.Op == "Conv":
		return pooled(v.Node.In(0), depth-1)
	}
	return false
}
