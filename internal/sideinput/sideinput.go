// Package sideinput settles what a model asks for beside the examples: inputs that are the same for
// every example, such as the state of a recurrent network or a sampling rate, and the sizes of open
// axes.
//
// Comes in: a model that was read, and what a user says of its inputs. Goes out: a raw graph whose
// inputs are those that examples feed, and notes of what was taken for granted. It must not know
// kinds of data.
package sideinput

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Options say what a user knows of the inputs.
type Options struct {
	Inputs []string `json:"inputs,omitempty"` // NAME=VALUE, NAME=zeros or NAME=FILE: the input is that, whatever the example
	Shapes []string `json:"shapes,omitempty"` // NAME=SIZES of an input, or AXIS=SIZE of the open axes of that name
}

// Key is the key of a tuned file's metadata_props under which Settings are kept.
const Key = "permafrost.inputs"

// embedded begins a value that holds a tensor itself: a TensorProto in base64.
const embedded = "tensor:"

// Bind gives open axes their sizes and takes the inputs that are fixed out of m's graph, in which
// they become constants; the axis that counts examples stays open. What a tuned file records of
// itself counts, too. With zero a state or a cache of an earlier step is zero without a word of the
// user, a cache without any steps. Inputs that nothing reads are taken out, too. The written file
// keeps all of its inputs.
//
// Bound is the text that a tuned file must record under Key, "" where nothing is settled; it holds
// the contents of files. Bind errors on an input or axis that the model does not have, and on a
// value that does not fit.
func Bind(m *onnx.Model, o Options, zero bool) (bound string, notes []string, err error) {
	all := Options{}
	if text := m.Metadata[Key]; text != "" {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return "", nil, fmt.Errorf("%s: %w", Key, err)
		}
		zero = false // what was zero is recorded
	}
	all.Shapes, all.Inputs = append(all.Shapes, o.Shapes...), append(all.Inputs, o.Inputs...)
	for _, s := range all.Shapes {
		if err := bindShape(m, s); err != nil {
			return "", nil, option.Errorf("shape", "%s: %w", s, err)
		}
	}
	given := map[string]string{}
	for _, s := range all.Inputs {
		name, value, ok := cut(s)
		if !ok {
			return "", nil, option.Errorf("input", "%q: want NAME=VALUE, NAME=zeros or NAME=FILE", s)
		}
		if find(m, name) == nil {
			return "", nil, option.Errorf("input", "%s: the model has no such input; it has %s", s, strings.Join(described(m), ", "))
		}
		given[name] = value
	}
	notes = dropUnread(m, given)
	first := firstFed(m, given)
	if first == nil {
		return "", nil, option.Errorf("input", "every input of the model is fixed or a scalar: one must take the examples")
	}
	batch := batchAxes{symbol: symbolOf(first), fixed: len(first.Type.Shape) > 0 && first.Type.Shape[0] == 1}
	starts := initialStates(m.Graph)
	all.Inputs = nil
	var zeroed []string
	for _, v := range slices.Clone(m.Graph.Inputs) {
		value, ok := given[v.Name]
		axis := batch.of(v, starts[v])
		switch {
		case ok:
		case isTraining(v):
			value = "false"
			notes = append(notes, fmt.Sprintf("%q is false: this is inference (option input %s=true sets it)", v.Name, v.Name))
		default:
			if !zero || v == first || !v.Type.DType.IsFloat() || !isState(v.Name) && starts[v] < 0 || !settled(v, axis) {
				continue
			}
			value = "zeros"
			if hasEmpty(v, axis) {
				zeroed = append(zeroed, fmt.Sprintf("%q is empty", v.Name))
			} else {
				zeroed = append(zeroed, fmt.Sprintf("%q is zeros", v.Name))
			}
		}
		if value, err = fix(m, v, axis, value); err != nil {
			return "", nil, option.Errorf("input", "%s=%s: %w", v.Name, given[v.Name], err)
		}
		all.Inputs = append(all.Inputs, v.Name+"="+value)
	}
	dropStates(m)
	if err := checkScalars(m); err != nil {
		return "", nil, err
	}
	if zeroed != nil {
		notes = append(notes, "what the model keeps from step to step starts anew with each example: "+strings.Join(zeroed, ", ")+" (option input NAME=VALUE sets it)")
	}
	if all.Inputs == nil && all.Shapes == nil {
		return "", notes, nil
	}
	text, err := json.Marshal(all)
	return string(text), notes, err
}

// cut divides NAME=VALUE at the last =, since names of values may have some; but not within what
// is embedded.
func cut(s string) (name, value string, ok bool) {
	if name, value, ok := strings.Cut(s, "="+embedded); ok {
		return name, embedded + value, true
	}
	at := strings.LastIndexByte(s, '=')
	if at < 1 || at == len(s)-1 {
		return "", "", false
	}
	return s[:at], s[at+1:], true
}

func find(m *onnx.Model, name string) *ir.Value {
	for _, v := range m.Graph.Inputs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// firstFed is the first input with axes that is neither given nor a state.
func firstFed(m *onnx.Model, given map[string]string) *ir.Value {
	var second *ir.Value
	for _, v := range m.Graph.Inputs {
		if _, ok := given[v.Name]; ok {
			continue
		}
		if isScalar(v) {
			continue
		}
		if !isState(v.Name) {
			return v
		}
		if second == nil {
			second = v
		}
	}
	return second
}

// fix makes input v of m's graph a constant. Its axis of examples, where it is not -1, stays open.
// It returns the value as a tuned file records it.
func fix(m *onnx.Model, v *ir.Value, axis int, value string) (string, error) {
	shape := v.Type.Shape.Clone()
	for i, d := range shape {
		switch {
		case i == axis:
			shape[i] = 1
		case d < 0 && isCache(v.Name):
			shape[i] = 0
		case d < 0 && isFile(value):
		case d < 0:
			return "", fmt.Errorf("axis %d of %v is open: give its sizes too, as option shape %s=%s", i, v.Type, v.Name, exampleShape(v, axis))
		}
	}
	t, err := contents(v, shape, value)
	if err != nil {
		return "", err
	}
	if t.Len() == 0 && value != "zeros" && !isFile(value) {
		return "", fmt.Errorf("a cache of %v is empty, and has no place for the value: give zeros, or its sizes too, as option shape %s=%s", v.Type, v.Name, exampleShape(v, axis))
	}
	if isFile(value) {
		value = embedded + base64.StdEncoding.EncodeToString(onnx.MarshalTensor(v.Name, t))
	}
	v.Kind, v.Data = ir.Const, t
	v.Type.Shape = t.Shape.Clone()
	if axis >= 0 {
		v.Type.Shape[axis] = -1
	}
	m.Graph.Inputs = slices.DeleteFunc(m.Graph.Inputs, func(w *ir.Value) bool { return w == v })
	return value, nil
}

// exampleShape is an argument of option shape with sizes for the open axes of v.
func exampleShape(v *ir.Value, axis int) string {
	var sizes []string
	for i, d := range v.Type.Shape {
		switch {
		case i == axis:
			d = 1
		case d < 0:
			d = 64
		}
		sizes = append(sizes, strconv.Itoa(d))
	}
	return strings.Join(sizes, ",")
}

// contents is a tensor of a shape: zeros, one number everywhere, or what a file holds.
func contents(v *ir.Value, shape tensor.Shape, value string) (*tensor.Tensor, error) {
	dt := v.Type.DType
	if isFile(value) {
		t, err := readFile(v.Name, value)
		if err != nil {
			return nil, err
		}
		fits := t.DType == dt && len(t.Shape) == len(shape)
		for i := range t.Shape {
			fits = fits && (shape[i] < 0 || t.Shape[i] == shape[i])
		}
		if !fits {
			return nil, fmt.Errorf("it holds %v, and the input of one example takes %v", ir.TypeOf(t), ir.Type{DType: dt, Shape: shape})
		}
		return t, nil
	}
	t := tensor.New(dt, shape...)
	if value == "zeros" {
		return t, nil
	}
	x, err := number(value)
	if err != nil {
		return nil, err
	}
	return t, fill(t, x)
}

// number reads a number, or true and false as 1 and 0.
func number(value string) (float64, error) {
	switch value {
	case "true":
		return 1, nil
	case "false":
		return 0, nil
	}
	x, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0, fmt.Errorf("want a number, true, false, zeros, or a file of a tensor (.pb, .safetensors)")
	}
	return x, nil
}

// fill sets every element to x. It errors where the type does not hold x.
func fill(t *tensor.Tensor, x float64) error {
	var one *tensor.Tensor
	switch t.DType {
	case tensor.Float64:
		one = tensor.Scalar(x)
	case tensor.Float32:
		one = tensor.Scalar(float32(x))
	case tensor.Float16:
		one = tensor.Scalar(tensor.Float32ToFloat16(float32(x)))
	case tensor.BFloat16:
		one = tensor.Scalar(tensor.Float32ToBFloat16(float32(x)))
	case tensor.Int64:
		one = whole[int64](x)
	case tensor.Int32:
		one = whole[int32](x)
	case tensor.Int16:
		one = whole[int16](x)
	case tensor.Int8:
		one = whole[int8](x)
	case tensor.Uint8:
		one = whole[uint8](x)
	case tensor.Uint16:
		one = whole[uint16](x)
	case tensor.Bool:
		if x == 0 || x == 1 {
			one = whole[uint8](x)
		}
	}
	if one == nil {
		return fmt.Errorf("an input of %v cannot be %v", t.DType, x)
	}
	for at := 0; at < len(t.Bytes); at += len(one.Bytes) {
		copy(t.Bytes[at:], one.Bytes)
	}
	return nil
}

// whole is x as an integer, nil where it is none of the type.
func whole[T int8 | int16 | int32 | int64 | uint8 | uint16](x float64) *tensor.Tensor {
	if float64(T(x)) != x {
		return nil
	}
	return tensor.Scalar(T(x))
}

func isFile(value string) bool {
	return strings.HasPrefix(value, embedded) || slices.Contains([]string{".pb", ".safetensors"}, filepath.Ext(value))
}

// readFile reads the tensor of an input.
func readFile(name, path string) (*tensor.Tensor, error) {
	if text, ok := strings.CutPrefix(path, embedded); ok {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		_, t, err := onnx.ParseTensor(b)
		return t, err
	}
	if filepath.Ext(path) == ".pb" {
		_, t, err := onnx.ReadTensor(path)
		return t, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, err := safetensors.NewReader(f, st.Size())
	if err != nil {
		return nil, err
	}
	all, err := r.All()
	if err != nil {
		return nil, err
	}
	if t := all.Tensors[name]; t != nil {
		return t, nil
	}
	if len(all.Tensors) == 1 {
		for _, t := range all.Tensors {
			return t, nil
		}
	}
	return nil, fmt.Errorf("the file has no tensor %q", name)
}
