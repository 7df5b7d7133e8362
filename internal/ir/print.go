package ir

import (
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// String returns the graph's text form: inputs, one node per line, outputs. Results are numbered in
// order of definition, so that graphs with the same structure have the same text.
//
//	graph main(image float32[1,3,32,32])
//	  %0 = Conv(image, conv1.weight, -) {strides=[1 1]}  float32[1,16,32,32]  # /conv1/Conv
//	  return %0
func (g *Graph) String() string {
	var b strings.Builder
	num := map[*Value]int{}
	ref := func(v *Value) string {
		switch {
		case v == nil:
			return "-"
		case v.Kind == Result:
			if k, ok := num[v]; ok {
				return fmt.Sprintf("%%%d", k)
			}
			return "%" + v.Name
		case v.Kind == Const:
			return constText(v.Data)
		}
		return v.Name
	}
	fmt.Fprintf(&b, "graph %s(", g.Name)
	for i, v := range g.Inputs {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %v", v.Name, v.Type)
	}
	b.WriteString(")\n")
	for _, n := range g.Nodes {
		b.WriteString("  ")
		for i, v := range n.Outputs {
			if i > 0 {
				b.WriteString(", ")
			}
			if v == nil {
				b.WriteByte('-')
				continue
			}
			num[v] = len(num)
			b.WriteString(ref(v))
		}
		fmt.Fprintf(&b, " = %s(", n.Op)
		for i, v := range n.Inputs {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(ref(v))
		}
		b.WriteByte(')')
		if len(n.Attrs) > 0 {
			fmt.Fprintf(&b, " {%v}", n.Attrs)
		}
		for _, v := range n.Outputs {
			if v != nil && v.Type.DType != tensor.Invalid {
				fmt.Fprintf(&b, "  %v", v.Type)
			}
		}
		fmt.Fprintf(&b, "  # %s\n", n.Name)
	}
	b.WriteString("  return")
	for i, v := range g.Outputs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + ref(v))
	}
	b.WriteByte('\n')
	return b.String()
}

// constText shows small constants by value and large ones by type.
func constText(t *tensor.Tensor) string {
	if t.Len() > 8 {
		return fmt.Sprintf("const %v%v", t.DType, t.Shape)
	}
	var parts []string
	for _, x := range t.Float64s() {
		parts = append(parts, fmt.Sprintf("%g", x))
	}
	if len(t.Shape) == 0 {
		return parts[0]
	}
	return "[" + strings.Join(parts, " ") + "]"
}
