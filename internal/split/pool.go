package split

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// rawBuilder adds nodes of the default ONNX domain to a raw graph.
type rawBuilder struct {
	g       *ir.Graph
	h       *Headed
	version int
	pooled  bool   // some value was a map or a sequence, and is reduced
	module  string // of the head: names are module.layer.weight and /module/layer/Op

	mask  *ir.Value // of sequences; nil: no mask
	steps int       // sequence length at which the head is built
}

// freeModule returns the first of head, head2, head3, ... in which the graph has none of the names
// that a head gets. A model that was tuned before has the names of its old head.
func freeModule(g *ir.Graph) string {
	var names []string
	for _, p := range g.Params() {
		names = append(names, "/"+strings.ReplaceAll(p.Name, ".", "/"))
	}
	for _, n := range g.Nodes {
		names = append(names, n.Name)
		for _, v := range n.Outputs {
			if v != nil {
				names = append(names, v.Name)
			}
		}
	}
	for k := 1; ; k++ {
		module := "head"
		if k > 1 {
			module += strconv.Itoa(k)
		}
		taken := regexp.MustCompile(`^/` + module + `/(linear|hidden\d*|(relu|gelu|silu|tanh)\d*|concat|(pool|positions|axes)\d+)(/|$)`)
		if !slices.ContainsFunc(names, taken.MatchString) {
			return module
		}
	}
}

func (b *rawBuilder) node(op, name string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
	path := "/" + b.module + "/" + name + "/" + op
	n := &ir.Node{Name: path, Op: op, Version: b.version, Inputs: in, Attrs: attrs}
	b.g.AddNode(n, []ir.Type{{}}, path+"_output_0")
	b.h.New = append(b.h.New, n)
	return n.Outputs[0]
}

// linear adds y = x W^T + bias with weights W of shape [out,in].
func (b *rawBuilder) linear(name string, x *ir.Value, in, out int, w []float32) *ir.Value {
	weight := b.g.NewParam(b.module+"."+name+".weight", tensor.Of(w, out, in))
	bias := b.g.NewParam(b.module+"."+name+".bias", tensor.New(tensor.Float32, out))
	b.h.Weights = append(b.h.Weights, weight.Name, bias.Name)
	return b.node("Gemm", name, ir.Attrs{"transB": 1}, x, weight, bias)
}

// pool reduces a batched value to one vector per example. It returns the result and its width.
func (b *rawBuilder) pool(v *ir.Value, t ir.Type, how string) (*ir.Value, int, error) {
	if how == "" {
		how = "auto"
	}
	s := t.Shape
	if !t.DType.IsFloat() {
		return nil, 0, fmt.Errorf("it holds %v, a head reads floating-point features", t.DType)
	}
	tag := fmt.Sprintf("pool%d", len(b.h.New))
	if t.DType != tensor.Float32 { // a fresh head is float32, whatever the type of the trunk
		v = b.node("Cast", tag, ir.Attrs{"to": onnx.Code(tensor.Float32)}, v)
	}
	switch {
	case len(s) == 2:
		return v, s[1], nil
	case len(s) < 2:
		return nil, 0, fmt.Errorf("its shape %v has no axis of features", s)
	case s[1:].Len() == s[1] || s[1:].Len() == s[len(s)-1]: // already one vector, with axes of 1
		return b.node("Flatten", tag, ir.Attrs{"axis": 1}, v), s[1:].Len(), nil
	}
	b.pooled = true
	switch {
	case len(s) == 3 && b.mask != nil && s[1] == b.steps: // a sequence [N,T,F] with padding
		return b.masked(tag, v, how), s[2], nil
	case len(s) == 3: // a sequence [N,T,F]
		switch how {
		case "cls":
			return b.token(tag, v, 0), s[2], nil
		case "last":
			return b.token(tag, v, -1), s[2], nil
		}
		v = b.node("Transpose", tag, ir.Attrs{"perm": []int{0, 2, 1}}, v)
		return b.spatial(tag, v, how), s[2], nil
	}
	if how == "cls" || how == "last" {
		return nil, 0, fmt.Errorf("option pool %s is for sequences; a map %v is pooled by mean or max", how, s)
	}
	return b.spatial(tag, v, how), s[1], nil
}

// samePositions errors if the values that a head reads at every position differ in their number of
// positions.
func samePositions(values []*ir.Value, types []ir.Type) error {
	positions := func(t ir.Type) int {
		if isSequence(t.Shape) {
			return t.Shape[1]
		}
		return 1
	}
	for i, t := range types {
		if a, b := positions(types[0]), positions(t); a != b {
			return option.Errorf("attach", "%q has %d positions and %q has %d, and each position gets scores of its own: attach values with the same ones", values[0].Name, a, values[i].Name, b)
		}
	}
	return nil
}

// isSequence reports whether a value of this shape has several positions, each with its own
// features.
func isSequence(s tensor.Shape) bool { return len(s) == 3 && s[1] != 1 }

// positions turns a sequence into rows, one per position. It returns them with their width. A value
// that already has one vector per example is one row each.
func (b *rawBuilder) positions(v *ir.Value, t ir.Type) (*ir.Value, int, error) {
	s := t.Shape
	if !isSequence(s) {
		return b.pool(v, t, "")
	}
	if !t.DType.IsFloat() {
		return nil, 0, fmt.Errorf("it holds %v, a head reads floating-point features", t.DType)
	}
	tag := fmt.Sprintf("positions%d", len(b.h.New))
	if t.DType != tensor.Float32 {
		v = b.node("Cast", tag, ir.Attrs{"to": onnx.Code(tensor.Float32)}, v)
	}
	shape := b.g.NewConst(b.module+"."+tag+".shape", tensor.Of([]int64{-1, int64(s[2])}))
	return b.node("Reshape", tag, nil, v, shape), s[2], nil
}

func (b *rawBuilder) spatial(tag string, v *ir.Value, how string) *ir.Value {
	op := "GlobalAveragePool"
	if how == "max" {
		op = "GlobalMaxPool"
	}
	v = b.node(op, tag, nil, v)
	return b.node("Flatten", tag, ir.Attrs{"axis": 1}, v)
}

// token picks one position of a sequence. Index -1 is the last.
func (b *rawBuilder) token(tag string, v *ir.Value, index int64) *ir.Value {
	i := b.g.NewConst(b.module+"."+tag+".index", tensor.Scalar(index))
	return b.node("Gather", tag, ir.Attrs{"axis": 1}, v, i)
}
