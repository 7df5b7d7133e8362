package safetensors

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func sample() File {
	return File{
		Tensors: map[string]*tensor.Tensor{
			"conv1.weight": tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3),
			"half":         {DType: tensor.Float16, Shape: tensor.Shape{3}, Bytes: []byte{0, 60, 0, 64, 0, 66}},
			"mask":         tensor.Of([]bool{true, false, true}),
			"scalar":       tensor.Scalar(int64(7)),
			"empty":        tensor.New(tensor.Float64, 0, 4),
			"é \"quoted\"": tensor.Of([]uint8{1, 2, 3}),
		},
		Metadata: map[string]string{"format": "pt", "note": "<a & b>"},
	}
}

func encode(t testing.TB, f File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte) (*File, error) {
	r, err := NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return r.All()
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	b := encode(t, want)
	if n := binary.LittleEndian.Uint64(b); (8+n)%tensor.Align != 0 {
		t.Errorf("data starts at byte %d", 8+n)
	}
	got, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got.Metadata, want.Metadata) {
		t.Errorf("metadata %v, want %v", got.Metadata, want.Metadata)
	}
	if len(got.Tensors) != len(want.Tensors) {
		t.Errorf("%d tensors, want %d", len(got.Tensors), len(want.Tensors))
	}
	for name, w := range want.Tensors {
		g := got.Tensors[name]
		if g == nil || g.DType != w.DType || !g.Shape.Equal(w.Shape) || !bytes.Equal(g.Bytes, w.Bytes) {
			t.Errorf("%s: %v, want %v", name, g, w)
		}
	}
	if !bytes.Equal(encode(t, *got), b) {
		t.Error("writing again gives other bytes")
	}
}

// TestReference reads a file that the safetensors Python package would write: unaligned header, no
// metadata.
func TestReference(t *testing.T) {
	h := `{"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`
	b := file(h, []byte{0, 0, 128, 63, 128, 63, 0, 64})
	f, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	if v := f.Tensors["a"].F32()[0]; v != 1 {
		t.Errorf("a is %g, want 1", v)
	}
	if v := f.Tensors["b"].Float64s(); !slices.Equal(v, []float64{1, 2}) {
		t.Errorf("b is %g, want [1 2]", v)
	}
}

func file(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestReadErrors(t *testing.T) {
	const four = `"dtype":"F32","shape":[1],"data_offsets":[0,4]`
	data := make([]byte, 4)
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"header past the end", binary.LittleEndian.AppendUint64(nil, 1), "does not fit"},
		{"header huge", binary.LittleEndian.AppendUint64(nil, 1<<63), "does not fit"},
		{"not JSON", file("nope", nil), "not a JSON object"},
		{"array", file("[]", nil), "not a JSON object"},
		{"cut", file(`{"a":{`+four+`}`, data), "EOF"},
		{"something after", file(`{"a":{`+four+`}} {}`, data), "follows"},
		{"twice", file(`{"a":{`+four+`},"a":{`+four+`}}`, data), `"a" is given twice`},
		{"unknown type", file(`{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`, data), "F8_E4M3"},
		{"negative axis", file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, data), "out of range"},
		{"overflow", file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, nil), "too many"},
		{"length", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, data), "do not hold"},
		{"hole", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}`, data), "begins at byte 3"},
		{"overlap", file(`{"a":{`+four+`},"b":{`+four+`}}`, data), "begins at byte 0"},
		{"rest", file(`{"a":{`+four+`}}`, make([]byte, 5)), "end at byte 4 of 5"},
		{"past the end", file(`{"a":{`+four+`}}`, make([]byte, 3)), "end at byte 4 of 3"},
		{"unknown key", file(`{"a":{"x":1,`+four+`}}`, data), "unknown field"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := read(tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestWriteErrors(t *testing.T) {
	for want, f := range map[string]File{
		"cannot be named": {Tensors: map[string]*tensor.Tensor{"__metadata__": tensor.Scalar(int8(1))}},
		"not UTF-8":       {Tensors: map[string]*tensor.Tensor{"\xff": tensor.Scalar(int8(1))}},
		"no form":         {Tensors: map[string]*tensor.Tensor{"a": {}}},
		"do not fill":     {Tensors: map[string]*tensor.Tensor{"a": {DType: tensor.Int8, Shape: tensor.Shape{2}}}},
	} {
		if err := Write(&bytes.Buffer{}, f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	b := encode(t, sample())
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(path)
	if err != nil || len(f.Tensors) != len(sample().Tensors) {
		t.Fatalf("%v, %v", f, err)
	}
	if err := os.WriteFile(path, b[:len(b)-1], 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file", err)
	}
}

// FuzzRead: whatever the bytes, reading neither panics nor takes memory beyond the file's own size,
// and what was read comes back after writing.
func FuzzRead(f *testing.F) {
	f.Add(encode(f, sample()))
	f.Add(encode(f, File{}))
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 4)))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(b)
		if err != nil {
			return
		}
		total := 0
		for _, x := range got.Tensors {
			total += len(x.Bytes)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(b))
		}
		again, err := read(encode(t, *got))
		if err != nil || len(again.Tensors) != len(got.Tensors) {
			t.Fatalf("written again: %v, %v", again, err)
		}
	})
}
