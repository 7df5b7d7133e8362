package split

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Activations are the functions between the layers of a head.
var Activations = []string{"relu", "gelu", "silu", "tanh"}

// mostHidden is the largest number of hidden layers: what a head learns from frozen features needs
// no more, and deeper plans are what blocks are for.
const mostHidden = 4

// hiddenUnits reads the widths of a head's hidden layers: none for linear.
func hiddenUnits(kind string) ([]int, error) {
	if kind == "linear" || kind == "" {
		return nil, nil
	}
	widths, ok := strings.CutPrefix(kind, "mlp:")
	if !ok {
		return nil, fmt.Errorf("option head %q: want linear, mlp:N, mlp:N,M or keep", kind)
	}
	var hidden []int
	for _, text := range strings.Split(widths, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("option head %q: give the units of each hidden layer, as in mlp:128 or mlp:128,64", kind)
		}
		hidden = append(hidden, n)
	}
	if len(hidden) > mostHidden {
		return nil, fmt.Errorf("option head %q: %d hidden layers at most", kind, mostHidden)
	}
	return hidden, nil
}

// layers adds the layers of a head that reads x.
func (b *rawBuilder) layers(x *ir.Value, hidden []int, spec HeadSpec) *ir.Value {
	width, first := b.h.Features, "linear"
	for i, units := range hidden {
		number := ""
		if i > 0 {
			number = strconv.Itoa(i + 1)
		} else {
			first = "hidden"
		}
		x = b.linear("hidden"+number, x, width, units, kaiming(units*width, width, spec.Seed, i))
		x = b.activation(number, x, spec.Activation)
		width = units
	}
	// For a convex problem the best start is a point that prefers no class.
	w := make([]float32, spec.Classes*width)
	if len(hidden) > 0 {
		w = kaiming(spec.Classes*width, width, spec.Seed, len(hidden))
	}
	b.h.Linear = "/" + b.module + "/" + first + "/Gemm"
	return b.linear("linear", x, width, spec.Classes, w)
}

// activation adds a function after a hidden layer.
func (b *rawBuilder) activation(number string, x *ir.Value, kind string) *ir.Value {
	constant := func(name string, v float64) *ir.Value {
		return b.g.NewConst(b.module+"."+kind+number+"."+name, tensor.Scalar(float32(v)))
	}
	switch kind {
	case "gelu": // written out, as the operator is younger than most models
		e := b.node("Erf", kind+number, nil, b.node("Div", kind+number, nil, x, constant("sqrt2", math.Sqrt2)))
		half := b.node("Mul", kind+number+"/half", nil, x, constant("half", 0.5))
		return b.node("Mul", kind+number, nil, half, b.node("Add", kind+number, nil, e, constant("one", 1)))
	case "silu":
		return b.node("Mul", kind+number, nil, x, b.node("Sigmoid", kind+number, nil, x))
	case "tanh":
		return b.node("Tanh", kind+number, nil, x)
	}
	return b.node("Relu", "relu"+number, nil, x)
}

// dropInHead makes a training step drop values that a new head's layers read: those that the first
// of several layers reads stay. Model and tuned file have no dropout, so nothing is to be switched
// off there.
func (n *Network) dropInHead(g *ir.Graph) error {
	h := n.Headed
	if n.Dropout == 0 || !h.Fresh {
		return nil
	}
	from := 0
	if len(h.Weights) > 2 {
		from = 1
	}
	for k := from; 2*k < len(h.Weights); k++ {
		layer := readerOf(g, h.Weights[2*k])
		if layer == nil {
			return option.Errorf("head_dropout", "the head's layer %q was not found", h.Weights[2*k])
		}
		x := layer.Inputs[0]
		d := &ir.Node{Name: g.Unique(layer.Name + "/dropout"), Op: "Dropout", Inputs: []*ir.Value{x},
			Attrs: ir.Attrs{"ratio": float32(n.Dropout), compile.AlwaysDrops: 1}}
		at := nodePlaces(g)[layer]
		tail := append([]*ir.Node(nil), g.Nodes[at:]...)
		g.Nodes = g.Nodes[:at]
		g.AddNode(d, []ir.Type{x.Type})
		layer.Inputs[0] = d.Outputs[0]
		g.Nodes = append(g.Nodes, tail...)
	}
	return nil
}

// readerOf is the node that multiplies with a weight.
func readerOf(g *ir.Graph, weight string) *ir.Node {
	for _, n := range g.Nodes {
		if w := n.In(1); w != nil && w.Kind == ir.Param && w.Name == weight && n.Traits().Linear {
			return n
		}
	}
	return nil
}
