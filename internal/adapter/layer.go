package adapter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// layer is a weight of a linear layer or convolution, with the nodes that read it.
type layer struct {
	weight *freeze.Weight
	name   string // of the layer, without the weight's own
	reads  []read
	odd    string // why it cannot have an adapter, or ""
	hidden bool   // IA3 scales its input, not its output
}

// read is a node that reads a layer's weight.
type read struct {
	node       *ir.Node
	conv       bool
	transposed bool         // the node reads [in,out] of a weight that is stored as [out,in]
	dtype      tensor.DType // in which it computes
	gain       float64      // factor of the node, such as Gemm's alpha
}

// linear reports whether all readers are linear layers.
func (l *layer) linear() bool { return l.odd == "" && !l.reads[0].conv }

// sizes are the numbers of input and output features of a linear layer.
func (l *layer) sizes() (in, out int) {
	s := l.weight.Value.Type.Shape
	if l.reads[0].transposed {
		return s[1], s[0]
	}
	return s[0], s[1]
}

// groups is the number of groups of a convolution.
func (l *layer) groups() int { return l.reads[0].node.Attrs.Int("group", 1) }

// width is the number of output features.
func (l *layer) width() int {
	if l.reads[0].conv {
		return l.weight.Value.Type.Shape[0]
	}
	_, out := l.sizes()
	return out
}

// describe makes the layer of a weight.
func (b *builder) describe(w *freeze.Weight) *layer {
	l := &layer{weight: w, name: strings.TrimSuffix(w.Name, ".weight")}
	if l.name == w.Name && len(w.Module) > 0 {
		l.name = strings.Join(w.Module, ".")
	}
	b.follow(l, w.Value, read{dtype: w.Value.Type.DType, gain: 1}, 0)
	if l.odd == "" && len(l.reads) == 0 {
		l.odd = "no node reads it"
	}
	for _, r := range l.reads {
		first := l.reads[0]
		if l.odd == "" && (r.conv != first.conv || r.transposed != first.transposed || r.gain != first.gain || r.conv && !sameConv(r.node, first.node)) {
			l.odd = "nodes read it in different ways"
		}
	}
	if l.odd == "" && !w.Value.Type.DType.IsFloat() {
		l.odd = fmt.Sprintf("it holds %v", w.Value.Type.DType)
	}
	return l
}

// follow finds the nodes that read a weight, also through nodes that only pass it on.
func (b *builder) follow(l *layer, v *ir.Value, r read, depth int) {
	if b.captured[v] {
		l.odd = "the body of a loop or condition reads it"
	}
	for _, n := range b.users[v] {
		if l.odd != "" || slices.ContainsFunc(l.reads, func(o read) bool { return o.node == n }) {
			return
		}
		at, next := r, n.Outputs[0]
		at.node = n
		rank := len(l.weight.Value.Type.Shape)
		switch {
		case n.In(1) != v && n.In(0) != v || depth > 8:
			l.odd = fmt.Sprintf("node %q (%s) reads it", n.Name, n.Op)
		case n.Op == "Identity":
			b.follow(l, next, at, depth+1)
		case n.Op == "Cast" && castTo(n).IsFloat():
			at.dtype = castTo(n)
			b.follow(l, next, at, depth+1)
		case n.Op == "Transpose" && rank == 2:
			if p := n.Attrs.Ints("perm"); p == nil || slices.Equal(p, []int{1, 0}) {
				at.transposed = !at.transposed
			}
			b.follow(l, next, at, depth+1)
		case n.Op == "MatMul" && n.In(1) == v && n.In(0) != v && rank == 2:
			l.reads = append(l.reads, at)
		case (n.Op == "Gemm" || n.Op == "FusedMatMul") && n.In(1) == v && n.In(0) != v && rank == 2 && n.Attrs.Int("transA", 0) == 0 &&
			n.Attrs.Int("transBatchA", 0) == 0 && n.Attrs.Int("transBatchB", 0) == 0:
			at.transposed = at.transposed != (n.Attrs.Int("transB", 0) == 1)
			at.gain = float64(n.Attrs.Float("alpha", 1))
			l.reads = append(l.reads, at)
		case n.Op == "Conv" && n.In(1) == v && n.In(0) != v && rank >= 3 && !at.transposed:
			at.conv = true
			l.reads = append(l.reads, at)
		default:
			l.odd = fmt.Sprintf("node %q (%s) reads it, which is neither a linear layer nor a convolution", n.Name, n.Op)
		}
	}
}

func sameConv(a, b *ir.Node) bool { return a.Attrs.Int("group", 1) == b.Attrs.Int("group", 1) }

// castTo is the dtype to which a Cast converts, Invalid where it is not supported.
func castTo(n *ir.Node) tensor.DType {
	dt, err := onnx.DType(n.Attrs.Int("to", 0))
	if err != nil {
		return tensor.Invalid
	}
	return dt
}
