package op

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// Products and convolutions may end in an activation: attribute act names it, act_min and act_max
// are the bounds of "clip", act_alpha the slope of "leakyrelu". A residual input is added before
// it.
var fusable = map[string]struct {
	op   string // the activation operator
	attr ir.Attrs
	code kernel.Activation
}{
	"relu":        {"Relu", nil, kernel.ActRelu},
	"clip":        {"Clip", nil, kernel.ActClip},
	"leakyrelu":   {"LeakyRelu", nil, kernel.ActLeakyRelu},
	"sigmoid":     {"Sigmoid", nil, kernel.ActSigmoid},
	"silu":        {"Silu", nil, kernel.ActSilu},
	"hardsigmoid": {"HardSigmoid", ir.Attrs{"alpha": float32(1.0 / 6), "beta": float32(0.5)}, kernel.ActHardSigmoid},
	"hardswish":   {"HardSwish", nil, kernel.ActHardSwish},
	"tanh":        {"Tanh", nil, kernel.ActTanh},
	"gelu":        {"Gelu", nil, kernel.ActGelu},
	"gelu_tanh":   {"Gelu", ir.Attrs{"approximate": "tanh"}, kernel.ActGeluTanh},
}

// FuseAct gives the attributes that make a Conv or MatMul end in the activation n; false where n is
// none that can be fused.
func FuseAct(n *ir.Node) (ir.Attrs, bool) {
	a := n.Attrs
	switch n.Op {
	case "Relu", "Sigmoid", "HardSwish", "Tanh":
		name := map[string]string{"Relu": "relu", "Sigmoid": "sigmoid", "HardSwish": "hardswish", "Tanh": "tanh"}
		return ir.Attrs{"act": name[n.Op]}, true
	case "Clip":
		lo, hi := clipBounds(a)
		return ir.Attrs{"act": "clip", "act_min": float32(lo), "act_max": float32(hi)}, true
	case "LeakyRelu":
		return ir.Attrs{"act": "leakyrelu", "act_alpha": a.Float("alpha", 0.01)}, true
	case "Silu":
		return ir.Attrs{"act": "silu"}, a.Float("alpha", 1) == 1
	case "HardSigmoid":
		return ir.Attrs{"act": "hardsigmoid"}, math.Abs(fattr(a, "alpha", 0.2)-1.0/6) < 1e-6 && a.Float("beta", 0.5) == 0.5
	case "Gelu":
		if a.Str("approximate", "") == "tanh" {
			return ir.Attrs{"act": "gelu_tanh"}, true
		}
		return ir.Attrs{"act": "gelu"}, true
	}
	return nil, false
}

// checkAct errors on an unknown activation.
func checkAct(a ir.Attrs) error {
	if name := a.Str("act", ""); name != "" && fusable[name].op == "" {
		return errorf("no activation %q", name)
	}
	return nil
}

// epilogue is the end of a product: bias, residual, activation.
func epilogue(a ir.Attrs, bias, residual []float32) *kernel.Epilogue {
	name := a.Str("act", "")
	if name == "" && bias == nil && residual == nil {
		return nil
	}
	e := &kernel.Epilogue{Bias: bias, Residual: residual, Act: fusable[name].code}
	switch name {
	case "clip":
		e.Lo, e.Hi = a.Float("act_min", float32(math.Inf(-1))), a.Float("act_max", float32(math.Inf(1)))
	case "leakyrelu":
		e.Lo = a.Float("act_alpha", 0.01)
	}
	return e
}

// fusedAct returns the activation and its attributes; false if there is none.
func fusedAct(a ir.Attrs) (activation, ir.Attrs, bool) {
	name := a.Str("act", "")
	if name == "" {
		return activation{}, nil, false
	}
	attr := fusable[name].attr
	switch name {
	case "clip":
		attr = ir.Attrs{}
		for from, to := range map[string]string{"act_min": "min", "act_max": "max"} {
			if a.Has(from) {
				attr[to] = a[from]
			}
		}
	case "leakyrelu":
		attr = ir.Attrs{"alpha": a.Float("act_alpha", 0.01)}
	}
	i := slices.IndexFunc(activations, func(act activation) bool { return act.name == fusable[name].op })
	return activations[i], attr, true
}

// act64 returns the activation in float64, nil if there is none.
func act64(a ir.Attrs) func(float64) float64 {
	if act, attr, ok := fusedAct(a); ok {
		return act.f64(attr)
	}
	return nil
}

// notFused fails the gradient of a node with a fused activation or residual: fusion comes after it.
func notFused(b *ir.Builder, n *ir.Node) bool {
	if n.Attrs.Str("act", "") != "" || n.In(3) != nil {
		b.Fail(n.Errorf("a fused activation has no gradient"))
		return false
	}
	return true
}
