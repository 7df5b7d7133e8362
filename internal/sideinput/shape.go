package sideinput

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// mostSize bounds the size of an axis.
const mostSize = 1 << 24

// bindShape gives open axes their sizes: NAME=SIZES those of an input and of all axes of the same
// names, NAME=SIZE the axes of that name. The first axis of an input that counts examples stays
// open, whatever is given for it.
func bindShape(m *onnx.Model, s string) error {
	name, text, ok := cut(s)
	if !ok {
		return fmt.Errorf("want INPUT=SIZES, as input_ids=1,128, or AXIS=SIZE")
	}
	var sizes []int
	for _, d := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == 'x' }) {
		n, err := strconv.Atoi(strings.TrimSpace(d))
		if err != nil || n < 0 || n > mostSize {
			return fmt.Errorf("%q is no size", d)
		}
		sizes = append(sizes, n)
	}
	v := find(m, name)
	if v == nil {
		if len(sizes) == 1 && bindSymbol(m, name, sizes[0]) {
			return nil
		}
		return fmt.Errorf("the model has no such input or axis; its inputs are %s", strings.Join(described(m), ", "))
	}
	shape := v.Type.Shape
	if shape != nil && len(sizes) != len(shape) {
		return fmt.Errorf("the input has %d axes %v", len(shape), v.Type)
	}
	if shape == nil { // the file does not say
		v.Type.Shape, v.Dims = slices.Clone(sizes), make([]string, len(sizes))
		if len(sizes) > 0 {
			v.Type.Shape[0] = -1
		}
		return nil
	}
	for i, n := range sizes {
		if shape[i] >= 0 {
			if n != shape[i] && i > 0 {
				return fmt.Errorf("axis %d of the input is %d", i, shape[i])
			}
			continue
		}
		if i == 0 { // it counts examples
			continue
		}
		shape[i] = n
		if i < len(v.Dims) && v.Dims[i] != "" {
			bindSymbol(m, v.Dims[i], n)
		}
	}
	return nil
}

// bindSymbol gives the open axes of a name their size, of all inputs but where it counts examples.
// It reports whether there was one.
func bindSymbol(m *onnx.Model, symbol string, size int) (found bool) {
	for _, v := range m.Graph.Inputs {
		for i, d := range v.Dims {
			if d == symbol && i > 0 && i < len(v.Type.Shape) && v.Type.Shape[i] < 0 {
				v.Type.Shape[i], found = size, true
			}
		}
	}
	return found
}

// described are the inputs with the names of their axes.
func described(m *onnx.Model) (out []string) {
	for _, v := range m.Graph.Inputs {
		axes := make([]string, len(v.Type.Shape))
		for i, d := range v.Type.Shape {
			switch {
			case d >= 0:
				axes[i] = strconv.Itoa(d)
			case i < len(v.Dims) && v.Dims[i] != "":
				axes[i] = v.Dims[i]
			default:
				axes[i] = "?"
			}
		}
		out = append(out, fmt.Sprintf("%s %v[%s]", v.Name, v.Type.DType, strings.Join(axes, ",")))
	}
	return out
}
