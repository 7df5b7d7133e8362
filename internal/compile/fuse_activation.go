package compile

import (
	"math"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// fuseActivations recognises activations that exporters write as arithmetic.
func fuseActivations(g *ir.Graph) error {
	return rewrite(g, matchGelu, matchSilu, matchHardSwish, matchHardSwishOfClip)
}

// matchGelu: 0.5 * x * (1 + erf(x / sqrt 2)), in the orders that exporters use.
func matchGelu(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Mul" {
		return nil
	}
	half, rest := operands(n, func(v *ir.Value) bool { return isNumber(v, 0.5) })
	if half != nil { // 0.5 * (x * (1 + erf))
		mul := m.by(rest, "Mul")
		if mul == nil {
			return nil
		}
		for i, v := range mul.Inputs {
			if x := m.erfTerm(v); x != nil && x == mul.Inputs[1-i] {
				return &ir.Node{Name: n.Name, Op: "Gelu", Inputs: []*ir.Value{x}}
			}
		}
		return nil
	}
	for i, v := range n.Inputs { // (0.5 * x) * (1 + erf), or x * (0.5 * (1 + erf))
		other := n.Inputs[1-i]
		if x := m.erfTerm(v); x != nil {
			if mul := m.by(other, "Mul"); mul != nil {
				if h, y := operands(mul, func(v *ir.Value) bool { return isNumber(v, 0.5) }); h != nil && y == x {
					return &ir.Node{Name: n.Name, Op: "Gelu", Inputs: []*ir.Value{x}}
				}
			}
		}
		if mul := m.by(v, "Mul"); mul != nil {
			if h, e := operands(mul, func(v *ir.Value) bool { return isNumber(v, 0.5) }); h != nil {
				if x := m.erfTerm(e); x != nil && x == other {
					return &ir.Node{Name: n.Name, Op: "Gelu", Inputs: []*ir.Value{x}}
				}
			}
		}
	}
	return nil
}

// erfTerm returns x if v is 1 + erf(x / sqrt 2).
func (m *matcher) erfTerm(v *ir.Value) *ir.Value {
	add := m.by(v, "Add")
	if add == nil {
		return nil
	}
	one, e := operands(add, func(v *ir.Value) bool { return isNumber(v, 1) })
	if one == nil {
		return nil
	}
	erf := m.by(e, "Erf")
	if erf == nil {
		return nil
	}
	if div := m.by(erf.Inputs[0], "Div"); div != nil && isNumber(div.Inputs[1], math.Sqrt2) {
		return div.Inputs[0]
	}
	if mul := m.by(erf.Inputs[0], "Mul"); mul != nil {
		if c, x := operands(mul, func(v *ir.Value) bool { return isNumber(v, 1/math.Sqrt2) }); c != nil {
			return x
		}
	}
	return nil
}

// matchSilu: x * sigmoid(x).
func matchSilu(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Mul" || ir.Lookup("Silu") == nil {
		return nil
	}
	for i, v := range n.Inputs {
		if s := m.by(v, "Sigmoid"); s != nil && s.Inputs[0] == n.Inputs[1-i] {
			return &ir.Node{Name: n.Name, Op: "Silu", Inputs: []*ir.Value{s.Inputs[0]}}
		}
	}
	return nil
}

// matchHardSwish: x * hardsigmoid(x) with slope 1/6.
func matchHardSwish(m *matcher, n *ir.Node) *ir.Node {
	if n.Op != "Mul" {
		return nil
	}
	for i, v := range n.Inputs {
		s := m.by(v, "HardSigmoid")
		if s != nil && s.Inputs[0] == n.Inputs[1-i] && math.Abs(float64(s.Attrs.Float("alpha", 0.2))-1.0/6) < 1e-6 && s.Attrs.Float("beta", 0.5) == 0.5 {
			return &ir.Node{Name: n.Name, Op: "HardSwish", Inputs: []*ir.Value{s.Inputs[0]}}
		}
	}
	return nil
}

// matchHardSwishOfClip: x * clip(x + 3, 0, 6) / 6, divided at any point.
func matchHardSwishOfClip(m *matcher, n *ir.Node) *ir.Node {
	product, divided := m.sixth(n.Outputs[0], false)
	if product.Node == nil || product.Node.Op != "Mul" || product.Node != n && m.by(product, "Mul") == nil {
		return nil
	}
	for i, v := range product.Node.Inputs {
		x := product.Node.Inputs[1-i]
		gate, sixth := m.sixth(v, true)
		clip := m.by(gate, "Clip")
		if clip == nil || sixth == divided || clip.Attrs.Float("min", -1) != 0 || clip.Attrs.Float("max", -1) != 6 {
			continue
		}
		add := m.by(clip.Inputs[0], "Add")
		if add == nil {
			continue
		}
		if three, y := operands(add, func(v *ir.Value) bool { return isNumber(v, 3) }); three != nil && y == x {
			return &ir.Node{Name: n.Name, Op: "HardSwish", Inputs: []*ir.Value{x}}
		}
	}
	return nil
}

// sixth returns y if v is y / 6 or y * 1/6, else v. single asks that nothing else reads v.
func (m *matcher) sixth(v *ir.Value, single bool) (y *ir.Value, ok bool) {
	n := v.Node
	if n == nil || single && m.users[v] != 1 {
		return v, false
	}
	if n.Op == "Div" && isNumber(n.Inputs[1], 6) {
		return n.Inputs[0], true
	}
	if n.Op == "Mul" {
		if c, y := operands(n, func(v *ir.Value) bool { return isNumber(v, 1.0/6) }); c != nil {
			return y, true
		}
	}
	return v, false
}
