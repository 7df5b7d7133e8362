package onnx

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// FuzzParse reads whatever bytes as a model. Reading must neither panic nor allocate beyond a bound
// given by the size of the input, and what it accepts must survive being patched and read again.
func FuzzParse(f *testing.F) {
	f.Add(net(f))
	for _, c := range hostile(f) {
		if len(c.data) < 1<<12 {
			f.Add(c.data)
		}
	}
	f.Add(model(value(11, "x"), winit("w"), fnode("If", list("x"), list("y"), fmsg(5, fstr(1, "then_branch"), fint(20, 5),
		fmsg(6, fnode("Add", list("x", "w"), list("s")), fmsg(12, fstr(1, "s"))))), value(12, "y")))
	f.Add(model(fmsg(11, fstr(1, "x"), encodeValue(ValueInfo{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{1, 2, 3}})),
		fmsg(5, fstr(8, "k"), dims(2), fint(2, 7), fint(7, 1), fint(7, 6)), fnode("Reshape", list("x", "k"), list("y")), value(12, "y")))
	f.Add(bomb(2))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Parse(data, "")
		runtime.ReadMemStats(&after)
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(64<<20+400*len(data)); used > most {
			t.Fatalf("%d bytes allocated for %d", used, len(data))
		}
		if err != nil {
			return
		}
		if b, err := m.Bytes(nil); err != nil || !bytes.Equal(b, data) {
			t.Fatalf("an empty patch changes the bytes: %v", err)
		}
		text := m.Graph.String()
		p := &Patch{Metadata: map[string]string{"k": "v"}, Tensors: map[string]*tensor.Tensor{}}
		for _, q := range m.Params {
			p.Tensors[q.Name] = q.Tensor
		}
		b, err := m.Bytes(p)
		if err != nil {
			t.Fatal(err)
		}
		n, err := Parse(b, "")
		if err != nil {
			t.Fatalf("a patched model does not read: %v", err)
		}
		if got := n.Graph.String(); got != text || n.Metadata["k"] != "v" || len(n.Params) != len(m.Params) {
			t.Fatalf("a patched model differs:\n%s\n%s", got, text)
		}
	})
}

// FuzzTensor reads whatever bytes as a tensor file.
func FuzzTensor(f *testing.F) {
	f.Add(MarshalTensor("x", tensor.Of([]float32{1, 2, 3}, 3)))
	f.Add(cat(dims(2), fint(2, 3), fint(5, 1), fint(5, -1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		name, x, err := ParseTensor(data)
		if err != nil {
			return
		}
		_, y, err := ParseTensor(MarshalTensor(name, x))
		if err != nil || !bytes.Equal(x.Bytes, y.Bytes) || !x.Shape.Equal(y.Shape) {
			t.Fatalf("%v written and read is %v, %v", x, y, err)
		}
	})
}
