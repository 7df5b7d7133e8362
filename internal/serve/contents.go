package serve

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unsafe"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// datatypes are the protocol's names of element types.
var datatypes = map[tensor.DType]string{
	tensor.Float32: "FP32", tensor.Float64: "FP64", tensor.Float16: "FP16",
	tensor.Int8: "INT8", tensor.Int16: "INT16", tensor.Int32: "INT32", tensor.Int64: "INT64",
	tensor.Uint8: "UINT8", tensor.Uint16: "UINT16", tensor.Uint32: "UINT32", tensor.Uint64: "UINT64",
	tensor.Bool: "BOOL",
}

// bytesType is the datatype of elements of any length.
const bytesType = "BYTES"

// contents are those of an output: strings or numbers.
type contents struct {
	strings []string
	numbers []float32
	wide    []float64
}

func (c *contents) json() any {
	switch {
	case c.strings != nil:
		return c.strings
	case c.wide != nil:
		return c.wide
	}
	return c.numbers
}

// raw is the binary form: little-endian numbers, and strings after their length in four bytes.
func (c *contents) raw() (b []byte) {
	for _, s := range c.strings {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	for _, x := range c.numbers {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	for _, x := range c.wide {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

// rows is the first size of an input's shape. What follows must be step, -1 for any size.
func (in *inputTensor) rows(step ...int) (int, error) {
	fits := len(in.Shape) == 1+len(step)
	for i := range step {
		fits = fits && (step[i] < 0 || in.Shape[1+i] == int64(step[i]))
	}
	if !fits || in.Shape[0] < 0 {
		var want strings.Builder
		want.WriteString("[N")
		for _, d := range step {
			want.WriteString("," + strconv.Itoa(d))
		}
		return 0, bad("input %q has the shape %v, and takes %s]", in.Name, in.Shape, want.String())
	}
	switch {
	case in.Shape[0] == 0:
		return 0, bad("input %q has the shape %v: it holds no example", in.Name, in.Shape)
	case in.Shape[0] > mostExamples:
		return 0, bad("input %q has the shape %v: a request holds up to %d examples", in.Name, in.Shape, mostExamples)
	}
	return int(in.Shape[0]), nil
}

// elements are n strings of bytes. In JSON, those that are not text are base64.
func (in *inputTensor) elements(n int, text bool) ([][]byte, error) {
	var out [][]byte
	if in.Data == nil {
		for b := in.binary; len(b) > 0; {
			if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
				return nil, bad("input %q: element %d is truncated: each is its length in four bytes and its bytes", in.Name, len(out))
			}
			if len(out) == n {
				return nil, bad("input %q has more elements than its shape %v says", in.Name, in.Shape)
			}
			size := 4 + int(binary.LittleEndian.Uint32(b))
			out, b = append(out, b[4:size:size]), b[size:]
		}
	} else {
		coded := !text
		switch v := in.Parameters["content_type"]; v {
		case nil:
		case "base64":
			coded = true
		case "str":
			coded = false
		default:
			return nil, bad("input %q: parameter content_type is %v: base64 or str", in.Name, v)
		}
		err := eachElement(in.Data, n, func(d *json.Decoder) error {
			var s string
			if err := d.Decode(&s); err != nil {
				return errors.New("its data are no list of strings")
			}
			b := []byte(s)
			if coded {
				var err error
				if b, err = base64.StdEncoding.DecodeString(s); err != nil {
					return fmt.Errorf("element %d is no base64, as which files come in JSON: %w", len(out), err)
				}
			}
			out = append(out, b)
			return nil
		})
		if err != nil {
			return nil, bad("input %q: %v", in.Name, err)
		}
	}
	if len(out) != n {
		return nil, bad("input %q has %d elements, and its shape says %d", in.Name, len(out), n)
	}
	return out, nil
}

// tensor reads numbers: n times the shape of one example.
func (in *inputTensor) tensor(dt tensor.DType, n int, one tensor.Shape) (*tensor.Tensor, error) {
	shape := append(tensor.Shape{n}, one...)
	size := dt.Size()
	count := int64(1)
	have := int64(len(in.Data)) // an element has at least two characters, with its comma
	if in.Data == nil {
		have = int64(len(in.binary))
	}
	for _, d := range shape {
		if count *= int64(d); count > have {
			return nil, bad("input %q: its shape %v says more elements than its data have", in.Name, in.Shape)
		}
	}
	if in.Data == nil {
		if count*int64(size) != have {
			return nil, bad("input %q has %d bytes, and its shape %v says %d", in.Name, have, in.Shape, count*int64(size))
		}
		t := &tensor.Tensor{DType: dt, Shape: shape, Bytes: in.binary}
		if uintptr(unsafe.Pointer(&in.binary[0]))%uintptr(size) != 0 {
			t = t.Clone()
		}
		return t, nil
	}
	put, err := setter(dt)
	if err != nil {
		return nil, bad("input %q: %v", in.Name, err)
	}
	t := tensor.New(dt, shape...)
	at := int64(0)
	for i := 0; i < len(in.Data); { // it is valid JSON
		c := in.Data[i]
		if strings.IndexByte("[], \t\r\n", c) >= 0 {
			i++
			continue
		}
		end := i
		for end < len(in.Data) && strings.IndexByte("[], \t\r\n", in.Data[end]) < 0 {
			end++
		}
		if at == count {
			return nil, bad("input %q has more elements than its shape %v says", in.Name, in.Shape)
		}
		if err := put(t.Bytes[at*int64(size):], string(in.Data[i:end])); err != nil {
			return nil, bad("input %q: element %d is %.40s: %v", in.Name, at, in.Data[i:end], err)
		}
		at++
		i = end
	}
	if at != count {
		return nil, bad("input %q has %d elements, and its shape %v says %d", in.Name, at, in.Shape, count)
	}
	return t, nil
}

// setter returns what writes an element from its JSON form.
func setter(dt tensor.DType) (func(to []byte, s string) error, error) {
	le := binary.LittleEndian
	switch dt {
	case tensor.Float32, tensor.Float64:
		return func(to []byte, s string) error {
			x, err := strconv.ParseFloat(s, 8*dt.Size())
			if err != nil {
				return errors.New("no number, or too large a one")
			}
			if dt == tensor.Float32 {
				le.PutUint32(to, math.Float32bits(float32(x)))
			} else {
				le.PutUint64(to, math.Float64bits(x))
			}
			return nil
		}, nil
	case tensor.Bool:
		return func(to []byte, s string) error {
			if s != "true" && s != "false" {
				return errors.New("neither true nor false")
			}
			if to[0] = 0; s == "true" {
				to[0] = 1
			}
			return nil
		}, nil
	case tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64:
		return func(to []byte, s string) error {
			x, err := strconv.ParseUint(s, 10, 8*dt.Size())
			if err != nil {
				return errors.New("no whole number of the datatype")
			}
			putWhole(to, x, dt.Size())
			return nil
		}, nil
	case tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64:
		return func(to []byte, s string) error {
			x, err := strconv.ParseInt(s, 10, 8*dt.Size())
			if err != nil {
				return errors.New("no whole number of the datatype")
			}
			putWhole(to, uint64(x), dt.Size())
			return nil
		}, nil
	}
	return nil, errors.New("elements of this datatype come in binary only")
}

func putWhole(to []byte, x uint64, size int) {
	for i := range size {
		to[i] = byte(x >> (8 * i))
	}
}
