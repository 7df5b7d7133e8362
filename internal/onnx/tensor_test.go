package onnx

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestTensorEncodings(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want *tensor.Tensor
	}{
		{"raw", cat(dims(2), fint(2, 1), fmsg(9, fixed32(1), fixed32(-2))), tensor.Of([]float32{1, -2})},
		{"packed dims", cat(fmsg(1, varint(2), varint(1)), fint(2, 1), fmsg(9, fixed32(1), fixed32(-2))), tensor.Of([]float32{1, -2}, 2, 1)},
		{"float_data", cat(dims(2), fint(2, 1), fmsg(4, fixed32(1), fixed32(-2))), tensor.Of([]float32{1, -2})},
		{"float_data one by one", cat(dims(2), fint(2, 1), unpacked32(4, 1), unpacked32(4, -2)), tensor.Of([]float32{1, -2})},
		{"float_data both ways", cat(dims(3), fint(2, 1), unpacked32(4, 1), fmsg(4, fixed32(2)), unpacked32(4, 3)), tensor.Of([]float32{1, 2, 3})},
		{"int8", cat(dims(2), fint(2, 3), fmsg(5, varint(127), varint(1<<64-128))), tensor.Of([]int8{127, -128})},
		{"uint8 one by one", cat(dims(2), fint(2, 2), fint(5, 255), fint(5, 1)), tensor.Of([]uint8{255, 1})},
		{"int16", cat(dims(1), fint(2, 5), fint(5, -3)), tensor.Of([]int16{-3})},
		{"uint16", cat(dims(1), fint(2, 4), fint(5, 65535)), tensor.Of([]uint16{65535})},
		{"int32", cat(dims(2), fint(2, 6), fmsg(5, varint(1<<64-1), varint(7))), tensor.Of([]int32{-1, 7})},
		{"int64", cat(dims(2), fint(2, 7), fmsg(7, varint(1<<64-1), varint(7))), tensor.Of([]int64{-1, 7})},
		{"bool", cat(dims(3), fint(2, 9), fmsg(5, varint(1), varint(0), varint(300))), tensor.Of([]bool{true, false, true})},
		{"raw bool", cat(dims(3), fint(2, 9), fmsg(9, []byte{0, 1, 7})), tensor.Of([]bool{false, true, true})},
		{"float16", cat(dims(1), fint(2, 10), fmsg(5, varint(0x3c00))), &tensor.Tensor{DType: tensor.Float16, Shape: tensor.Shape{1}, Bytes: []byte{0, 0x3c}}},
		{"bfloat16", cat(dims(1), fint(2, 16), fmsg(5, varint(0x3f80))), &tensor.Tensor{DType: tensor.BFloat16, Shape: tensor.Shape{1}, Bytes: []byte{0x80, 0x3f}}},
		{"int4", cat(dims(3), fint(2, 22), fmsg(9, []byte{0x8f, 0x07})), &tensor.Tensor{DType: tensor.Int4, Shape: tensor.Shape{3}, Bytes: []byte{0xff, 0xf8, 7}}},
		{"uint2 typed", cat(dims(5), fint(2, 25), fmsg(5, varint(0xe4), varint(2))), &tensor.Tensor{DType: tensor.Uint2, Shape: tensor.Shape{5}, Bytes: []byte{0, 1, 2, 3, 2}}},
		{"double", cat(dims(1), fint(2, 11), fmsg(10, make([]byte, 8))), tensor.Of([]float64{0})},
		{"uint32", cat(dims(1), fint(2, 12), fint(11, 1<<32-1)), tensor.Of([]uint32{1<<32 - 1})},
		{"uint64", cat(dims(1), fint(2, 13), fint(11, -1)), tensor.Of([]uint64{1<<64 - 1})},
		{"scalar", cat(fint(2, 7), fint(7, 5)), tensor.Scalar(int64(5))},
		{"empty", cat(dims(0, 4), fint(2, 1)), tensor.New(tensor.Float32, 0, 4)},
	} {
		_, got, err := ParseTensor(c.b)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.DType != c.want.DType || !got.Shape.Equal(c.want.Shape) || !bytes.Equal(got.Bytes, c.want.Bytes) {
			t.Errorf("%s: got %v %v, want %v %v", c.name, got, got.Bytes, c.want, c.want.Bytes)
		}
	}
}

func TestTensorErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"overflow", cat(dims(1<<40, 1<<40), fint(2, 1)), "more elements than any file can hold"},
		{"overflow hidden by zero", cat(dims(1<<40, 0, 1<<40), fint(2, 1)), "more elements than any file can hold"},
		{"large", cat(dims(1<<40), fint(2, 1), fmsg(9, fixed32(1))), "needs 4398046511104 bytes, 4 are there"},
		{"large typed", cat(dims(1<<40), fint(2, 7), fint(7, 1)), "1099511627776 elements are declared, at most 1 are there"},
		{"negative", cat(dims(-1), fint(2, 1)), "negative size -1"},
		{"too few", cat(dims(2), fint(2, 1), fmsg(4, fixed32(1))), "needs 8 bytes, 4 are there"},
		{"too many", cat(dims(1), fint(2, 7), fint(7, 1), fint(7, 1)), "more elements are there than declared"},
		{"string", cat(dims(1), fint(2, 8), fstr(6, "a")), "type string are not supported"},
		{"complex", cat(dims(1), fint(2, 14)), "type complex64 are not supported"},
		{"unknown", cat(dims(1), fint(2, 99)), "unknown type 99"},
		{"external", cat(dims(1), fint(2, 1), props(13, "location", "w"), fint(14, 1)), "not read from a folder"},
		{"segment", cat(dims(1), fint(2, 1), fmsg(3), fmsg(9, fixed32(1))), "segments"},
		{"cut", cat(dims(2), fint(2, 1), fmsg(9, fixed32(1), fixed32(-2)))[:9], "unexpected EOF"},
	} {
		_, _, err := ParseTensor(c.b)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestTensorFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "input_0.pb")
	want := tensor.Of([]int64{1, 2, 3, 4}, 2, 2)
	if err := WriteTensor(path, "x", want); err != nil {
		t.Fatal(err)
	}
	name, got, err := ReadTensor(path)
	if err != nil || name != "x" || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q %v %v", name, got, err)
	}
	if _, _, err := ReadTensor(path + ".none"); err == nil {
		t.Error("a missing file reads")
	}
}

// TestPatchKeepsEncoding gives new contents to a tensor in every encoding and expects that nothing
// but the contents has changed.
func TestPatchKeepsEncoding(t *testing.T) {
	f := tensor.Of([]float32{5, 6}, 2)
	h := &tensor.Tensor{DType: tensor.Float16, Shape: tensor.Shape{2}, Bytes: []byte{1, 0x3c, 0, 0xbc}}
	unknown := fstr(99, "kept")
	for _, c := range []struct {
		name string
		t    func(a, b float32) []byte
		to   *tensor.Tensor
	}{
		{name: "raw", to: f, t: func(a, b float32) []byte { return cat(dims(2), fint(2, 1), fmsg(9, fixed32(a), fixed32(b)), unknown) }},
		{name: "packed", to: f, t: func(a, b float32) []byte {
			return cat(unknown, fmsg(4, fixed32(a), fixed32(b)), dims(2), fint(2, 1))
		}},
		{name: "one by one", to: f, t: func(a, b float32) []byte {
			return cat(dims(2), unpacked32(4, a), unpacked32(4, b), unknown, fint(2, 1))
		}},
		{name: "half", to: h, t: func(a, b float32) []byte {
			x, y := uint64(0x3c00), uint64(0x3c00)
			if a == 5 {
				x, y = 0x3c01, 0xbc00
			}
			return cat(dims(2), fint(2, 10), fmsg(5, varint(x), varint(y)), unknown)
		}},
	} {
		init := func(a, b float32) []byte {
			return model(value(11, "x"), fmsg(5, fstr(8, "w"), c.t(a, b)), fnode("Add", list("x", "w"), list("y")), value(12, "y"))
		}
		constant := func(a, b float32) []byte {
			return model(value(11, "x"), fnode("Constant", nil, list("w"), fmsg(5, fstr(1, "value"), fmsg(5, c.t(a, b)), fint(20, 4))),
				fnode("Add", list("x", "w"), list("y")), value(12, "y"))
		}
		for _, form := range []func(a, b float32) []byte{init, constant} {
			m := open(t, form(1, 2))
			if len(m.Params) != 1 {
				t.Fatalf("%s: %d params", c.name, len(m.Params))
			}
			got, err := m.Bytes(&Patch{Tensors: map[string]*tensor.Tensor{"w": c.to}})
			if err != nil {
				t.Fatal(err)
			}
			if want := form(5, 6); !bytes.Equal(got, want) {
				t.Errorf("%s: got\n%x\nwant\n%x", c.name, got, want)
			}
		}
	}
	for _, packed := range []bool{false, true} {
		form := func(a, b float32) []byte {
			l := cat(unpacked32(7, a), unpacked32(7, b))
			if packed {
				l = fmsg(7, fixed32(a), fixed32(b))
			}
			return model(value(11, "x"), fnode("Constant", nil, list("w"), fmsg(5, fstr(1, "value_floats"), l, fint(20, 6))),
				fnode("Add", list("x", "w"), list("y")), value(12, "y"))
		}
		got, err := open(t, form(1, 2)).Bytes(&Patch{Tensors: map[string]*tensor.Tensor{"w": f}})
		if err != nil || !bytes.Equal(got, form(5, 6)) {
			t.Errorf("value_floats, packed %v: %v %x", packed, err, got)
		}
	}
}
