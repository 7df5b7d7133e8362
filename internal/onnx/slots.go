package onnx

import (
	"cmp"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// slots lists, by operator, the inputs that hold a layer's weights. Operators of com.microsoft stand
// here too: their names do not clash.
var slots = map[string][]int{
	"Conv":                  {1, 2},
	"ConvTranspose":         {1, 2},
	"DeformConv":            {1, 3},
	"Gemm":                  {0, 1, 2},
	"MatMul":                {0, 1},
	"Einsum":                {0, 1, 2},
	"BatchNormalization":    {1, 2, 3, 4},
	"LayerNormalization":    {1, 2},
	"InstanceNormalization": {1, 2},
	"GroupNormalization":    {1, 2},
	"RMSNormalization":      {1},
	"PRelu":                 {1},
	"Gather":                {0},
	"LSTM":                  {1, 2, 3, 7},
	"GRU":                   {1, 2, 3},
	"RNN":                   {1, 2, 3},
	"Add":                   {0, 1},
	"Sub":                   {0, 1},
	"Mul":                   {0, 1},
	"Div":                   {0, 1},

	"FusedConv":                        {1, 2},
	"NhwcConv":                         {1, 2},
	"FusedGemm":                        {0, 1, 2},
	"FusedMatMul":                      {0, 1},
	"TransposeMatMul":                  {0, 1},
	"GroupNorm":                        {1, 2},
	"SimplifiedLayerNormalization":     {1},
	"SkipLayerNormalization":           {2, 3, 4},
	"SkipSimplifiedLayerNormalization": {2, 3},
	"EmbedLayerNormalization":          {2, 3, 4, 5, 6},
	"Attention":                        {1, 2},
	"MultiHeadAttention":               {3},
	"BiasGelu":                         {1},
	"FastGelu":                         {1},
	"BiasAdd":                          {1},
}

// settings lists inputs that set a shape, a scale of quantisation or a threshold: never weights.
var settings = map[string][]int{
	"Resize":            {1, 2, 3},
	"Upsample":          {1},
	"QuantizeLinear":    {1},
	"DequantizeLinear":  {1},
	"NonMaxSuppression": {3, 4},
	"Range":             {0, 1, 2},
	"Clip":              {1, 2},
	"Pad":               {2},
}

// passes lists the operators through which a tensor reaches its slot unchanged but for its form.
var passes = map[string]bool{"Identity": true, "Transpose": true, "Reshape": true, "Cast": true,
	"Squeeze": true, "Unsqueeze": true}

// composes lists the operators through which the parts of a setting are put together.
var composes = map[string]bool{"Concat": true, "Slice": true, "Gather": true}

// role says where a tensor ends up, directly or through operators that keep it.
type role uint8

const (
	setting   role = 1 << iota // in an input of settings
	layer                      // in a weight slot
	operand                    // in an operand of arithmetic, a weight slot if it has several elements
	embedding                  // in a table of which rows are gathered, a weight slot if it has rows
	left                       // on the left of a Gemm, a weight slot if it is an initializer
)

// roles finds what every value of g is used for, and counts its uses. It walks from the last node to
// the first, so that what a node's output is used for is known before its inputs are looked at.
func roles(g *ir.Graph, of map[*ir.Value]role, uses map[*ir.Value]int) {
	for _, v := range g.Outputs {
		uses[v]++
	}
	for _, n := range slices.Backward(g.Nodes) {
		for _, s := range n.Attrs.Graphs() {
			roles(s, of, uses)
		}
		var after role
		if len(n.Outputs) > 0 && n.Outputs[0] != nil {
			after = of[n.Outputs[0]]
		}
		for i, v := range n.Inputs {
			if v == nil {
				continue
			}
			uses[v]++
			r := roleAt(n, i)
			if i == 0 && passes[n.Op] {
				r |= after
			}
			if composes[n.Op] {
				r |= after & setting
			}
			of[v] |= r
		}
	}
}

// params decides which tensors of the main graph are parameters, by the rule of the package comment,
// marks their values and lists them.
func (r *reader) params(g *ir.Graph) []*Param {
	of, uses := map[*ir.Value]role{}, map[*ir.Value]int{}
	roles(g, of, uses)
	var ps []*Param
	for _, c := range r.consts {
		v := c.value
		if uses[v] == 0 || !c.isParam(of[v]) {
			continue
		}
		v.Kind = ir.Param
		ps = append(ps, &Param{Name: v.Name, Value: v, Tensor: v.Data, Uses: uses[v],
			Initializer: c.init, Node: c.node, External: c.ext})
	}
	slices.SortFunc(ps, func(a, b *Param) int {
		if (a.Initializer < 0) != (b.Initializer < 0) {
			return cmp.Compare(b.Initializer, a.Initializer) // initializers first
		}
		return cmp.Or(cmp.Compare(a.Initializer, b.Initializer), cmp.Compare(a.Node, b.Node))
	})
	return ps
}

func (c *constant) isParam(r role) bool {
	t := c.value.Type
	if !t.DType.IsFloat() || t.Shape.Len() == 0 || r&setting != 0 {
		return false
	}
	many := len(t.Shape) >= 1 && t.Shape.Len() > 1
	return many && (c.init >= 0 || r&operand != 0) ||
		r&layer != 0 ||
		r&embedding != 0 && len(t.Shape) >= 2 ||
		r&left != 0 && c.init >= 0
}

// roleAt is what input i of n is used for.
func roleAt(n *ir.Node, i int) role {
	if slices.Contains(settings[n.Op], i) {
		return setting
	}
	if !slices.Contains(slots[n.Op], i) {
		return 0
	}
	switch n.Op {
	case "Add", "Sub", "Mul", "Div":
		return operand
	case "Gather":
		return embedding
	case "Gemm":
		if i == 0 {
			return left
		}
	case "Attention":
		if n.Domain == "" {
			return 0 // ai.onnx's Attention takes keys and values there
		}
	}
	return layer
}
